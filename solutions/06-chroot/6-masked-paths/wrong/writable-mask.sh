# caught by: inside.process.mounts./sys/firmware
# The mask can be written to.
exec unshare --mount sh -c '
    mount --bind /dev/null /proc/interrupts
    mount -t tmpfs mask /sys/firmware
    mount --bind /proc/sys /proc/sys
    mount -o remount,bind,ro,nosuid,nodev,noexec /proc/sys
    exec "$@"
' sh "$@"

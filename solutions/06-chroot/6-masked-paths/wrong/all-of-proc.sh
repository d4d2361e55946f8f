# caught by: inside.process.mounts./proc
# Makes all of /proc read-only, in place of one directory of it.
exec unshare --mount sh -c '
    mount --bind /dev/null /proc/interrupts
    mount -t tmpfs -o ro mask /sys/firmware
    mount -o remount,bind,ro,nosuid,nodev,noexec /proc
    exec "$@"
' sh "$@"

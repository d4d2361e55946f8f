# caught by: inside.process.mounts./proc/sys
# Bound on itself and left writable: a bind is no protection.
exec unshare --mount sh -c '
    mount --bind /dev/null /proc/interrupts
    mount -t tmpfs -o ro mask /sys/firmware
    mount --bind /proc/sys /proc/sys
    exec "$@"
' sh "$@"

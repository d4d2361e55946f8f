# Run the payload with less of /proc and /sys.
exec unshare --mount sh -c '
    # A file is covered by a file. /dev/null reads as empty and swallows what is written.
    mount --bind /dev/null /proc/interrupts
    # A directory is covered by a directory. Read-only, or a program could put files
    # there that another one takes for firmware.
    mount -t tmpfs -o ro mask /sys/firmware
    # Still to be read, no more to be written: bound on itself, it is a mount, and a
    # mount has flags. proc as a whole stays as it is.
    mount --bind /proc/sys /proc/sys
    # The second step. All flags anew: those that it had are locked by the kernel for
    # whoever is in another user namespace, and leaving one out is EPERM.
    mount -o remount,bind,ro,nosuid,nodev,noexec /proc/sys
    exec "$@"
' sh "$@"

# Run the payload with less of /proc and /sys.
exec unshare --mount sh -c '
    # TODO: /dev/null over /proc/interrupts.

    # TODO: an empty tmpfs, read-only, over /sys/firmware.

    # TODO: /proc/sys bound on itself, then read-only.

    exec "$@"
' sh "$@"

# Give the payload message queues of its own.

# A new IPC namespace has no queues. --mount, because its file system is to cover
# the one of the machine for the payload only.
exec unshare --ipc --mount sh -c '
    # An mqueue file system is that of its mounter: the old one would go on
    # showing the queues of the machine, and creating there would add to them.
    mount -t mqueue container /run/mqueue
    : > /run/mqueue/results
    exec "$@"
' sh "$@"

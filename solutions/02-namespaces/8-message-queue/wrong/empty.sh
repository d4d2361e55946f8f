# caught by: inside.process.ipc.posix_queues./results
# Hides the one queue and forgets to make the other.
exec unshare --ipc --mount sh -c '
    mount -t mqueue container /run/mqueue
    exec "$@"
' sh "$@"

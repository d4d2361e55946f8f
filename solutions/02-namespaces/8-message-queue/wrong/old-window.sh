# caught by: inside.machine.ipc.posix_queues./results
# A new namespace, and the file is created in the window to the old one.
exec unshare --ipc --mount sh -c '
    : > /run/mqueue/results
    exec "$@"
' sh "$@"

# caught by: inside.process.namespaces.ipc
# A second window to the same namespace.
exec unshare --mount sh -c '
    mount -t mqueue container /run/mqueue
    : > /run/mqueue/results
    exec "$@"
' sh "$@"

# caught by: inside.process.namespaces.pid
# Hides other users' processes; those of the machine's root are still there.
exec unshare --mount sh -c '
    mount -t proc -o nosuid,nodev,noexec,hidepid=invisible,subset=pid proc /proc
    exec "$@"
' sh "$@"

# caught by: inside.process.namespaces.mnt
# Covers the /proc of the whole machine.
exec unshare --pid --fork sh -c '
    mount -t proc -o nosuid,nodev,noexec proc /proc
    exec "$@"
' sh "$@"

# caught by: inside.process.mounts./proc (2)
# The right processes, and the rest of the kernel with them.
exec unshare --pid --fork --mount sh -c '
    mount -t proc -o nosuid,nodev,noexec,hidepid=invisible proc /proc
    exec "$@"
' sh "$@"

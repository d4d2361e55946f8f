# caught by: inside.process.pids
# The shell is process 1, the payload its child.
exec unshare --pid --fork --mount sh -c '
    mount -t proc -o nosuid,nodev,noexec proc /proc
    "$@"
    exit $?
' sh "$@"

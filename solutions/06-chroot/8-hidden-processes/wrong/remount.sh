# caught by: inside.machine.mounts./proc
# Sets the option of the machine's proc: for every process of the machine.
exec unshare --pid --fork --mount sh -c '
    mount -o remount,hidepid=invisible /proc
    mount -t proc -o nosuid,nodev,noexec,hidepid=invisible,subset=pid proc /proc
    exec "$@"
' sh "$@"

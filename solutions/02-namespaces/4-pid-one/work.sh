# Make the payload process 1 of a new PID namespace.

# --fork, because unshare(CLONE_NEWPID) is for children only: the caller stays.
# --mount, because /proc is to be covered for the payload and for nobody else.
exec unshare --pid --fork --mount sh -c '
    # proc shows the PID namespace of the process that mounts it: ours. The options
    # are the usual ones: there is nothing below /proc to run, nor a device.
    mount -t proc -o nosuid,nodev,noexec proc /proc
    # exec keeps the process and with it the number 1.
    exec "$@"
' sh "$@"

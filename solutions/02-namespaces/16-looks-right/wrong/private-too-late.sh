# caught by: inside.machine.mounts./run/data/secret
# Cut off after the mount has been sent.
exec unshare --uts --ipc --net --mount --propagation unchanged sh -c '
    hostname vault
    ip link set lo up
    mount -t tmpfs -o mode=700 secret /run/data/secret
    mount --make-rprivate /
    exec "$@"
' sh "$@"

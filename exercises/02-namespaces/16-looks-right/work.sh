# A container with a secret. Its author says that it works.
exec unshare --uts --ipc --net --mount --propagation unchanged sh -c '
    mount --make-private /
    hostname vault
    ip link set lo up
    mount -t tmpfs -o mode=700 secret /run/data/secret
    exec "$@"
' sh "$@"

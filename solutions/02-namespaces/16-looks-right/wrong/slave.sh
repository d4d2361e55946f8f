# caught by: inside.process.propagation
# Nothing goes out any more, but what the machine mounts still comes in.
exec unshare --uts --ipc --net --mount --propagation unchanged sh -c '
    mount --make-rslave /
    hostname vault
    ip link set lo up
    mount -t tmpfs -o mode=700 secret /run/data/secret
    exec "$@"
' sh "$@"

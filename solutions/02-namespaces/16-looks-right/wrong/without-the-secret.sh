# caught by: inside.process.mounts./run/data/secret
# The leak is gone, and so is the secret.
exec unshare --uts --ipc --net --mount sh -c '
    hostname vault
    ip link set lo up
    exec "$@"
' sh "$@"

# caught by: inside.machine.mounts./run/private
# A new table whose mounts still share with the machine's.
mkdir -p /run/private
exec unshare --mount --propagation unchanged sh -c '
    mount -t tmpfs scratch /run/private
    exec "$@"
' sh "$@"

# caught by: inside.machine.mounts./run/private
# The namespace comes too late: the mount is in both tables.
mkdir -p /run/private
mount -t tmpfs scratch /run/private
exec unshare --mount "$@"

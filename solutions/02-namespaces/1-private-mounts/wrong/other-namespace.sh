# caught by: inside.process.namespaces.mnt
# The mount goes with the command that made it; the payload runs after that.
mkdir -p /run/private
unshare --mount mount -t tmpfs scratch /run/private
exec "$@"

# caught by: inside.process.namespaces.user
# Only the one that was asked for last.
exec unshare --cgroup "$@"

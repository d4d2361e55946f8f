# caught by: inside.process.owned_namespaces
# Made first, and so owned by the machine's user namespace.
exec unshare --cgroup unshare --user --map-root-user "$@"

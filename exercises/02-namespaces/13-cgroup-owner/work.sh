# Run the payload in a user namespace that owns a cgroup namespace.

# TODO: the cgroup namespace is still the machine's.
exec unshare --user --map-root-user "$@"

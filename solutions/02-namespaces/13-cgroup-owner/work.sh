# Run the payload in a user namespace that owns a cgroup namespace.

# One call with both flags: the kernel makes the user namespace first, whatever the
# order of the options, and it becomes the owner of the rest.
exec unshare --user --map-root-user --cgroup "$@"

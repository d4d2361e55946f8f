# Where the cgroup is, and what its limit on memory is called, by version.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    box=/sys/fs/cgroup/hungry limit=memory.max
else
    box=/sys/fs/cgroup/memory/hungry limit=memory.limit_in_bytes
fi

# TODO: make the cgroup $box, set its $limit, and run ./hungry in it.
# As it is, it would take all that the machine has:
# ./hungry

exec "$@"

# caught by: inside.machine.cgroups./hungry
# The cgroup is there, and nobody has ever been in it.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    box=/sys/fs/cgroup/hungry limit=memory.max
else
    box=/sys/fs/cgroup/memory/hungry limit=memory.limit_in_bytes
fi
mkdir $box
echo 32M > $box/$limit
exec "$@"

# caught by: inside.machine.cgroups./hungry
# Twice the limit that was asked for.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    box=/sys/fs/cgroup/hungry limit=memory.max
else
    box=/sys/fs/cgroup/memory/hungry limit=memory.limit_in_bytes
fi
mkdir $box
(echo 0 > $box/cgroup.procs; echo 64M > $box/$limit; exec ./hungry)
exec "$@"

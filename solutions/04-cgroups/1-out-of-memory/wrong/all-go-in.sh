# caught by: inside.nothing_else
# The shell goes in, and with it all that it starts: the payload too.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    box=/sys/fs/cgroup/hungry limit=memory.max
else
    box=/sys/fs/cgroup/memory/hungry limit=memory.limit_in_bytes
fi
mkdir $box
echo 32M > $box/$limit
echo 0 > $box/cgroup.procs
./hungry
exec "$@"

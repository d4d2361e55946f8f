# caught by: inside.machine.cgroups./slow
# A million operations a second are no limit for any disk.
# Where the cgroup is, by version.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    slow=/sys/fs/cgroup/slow
else
    slow=/sys/fs/cgroup/blkio/slow
fi
# The numbers of a disk.
disk=$(cat /sys/block/*/dev | head -n 1)

mkdir $slow
if [ -e $slow/io.max ]; then
    echo "$disk wiops=1048576" > $slow/io.max
else
    echo "$disk 1048576" > $slow/blkio.throttle.write_iops_device
fi

echo 0 > $slow/cgroup.procs
exec "$@"

# caught by: inside.process.cgroups
# The cgroup is right, and nobody is in it.
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
    echo "$disk wbps=1048576" > $slow/io.max
else
    echo "$disk 1048576" > $slow/blkio.throttle.write_bps_device
fi

exec "$@"

# Where the cgroup is, by version.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    slow=/sys/fs/cgroup/slow
else
    slow=/sys/fs/cgroup/blkio/slow
fi
# The numbers of a disk.
disk=$(cat /sys/block/*/dev | head -n 1)

mkdir $slow
# One file with keys in v2, one for each limit in v1; the disk comes first in both.
if [ -e $slow/io.max ]; then
    echo "$disk wbps=1048576" > $slow/io.max
else
    echo "$disk 1048576" > $slow/blkio.throttle.write_bps_device
fi

# This shell goes in, since it is the one that becomes the payload.
echo 0 > $slow/cgroup.procs
exec "$@"

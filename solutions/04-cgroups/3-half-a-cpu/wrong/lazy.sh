# caught by: inside.machine.cgroups./half
# The limit is right, and was never reached.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    half=/sys/fs/cgroup/half
else
    half=/sys/fs/cgroup/cpu/half
fi
mkdir $half
if [ -e $half/cpu.max ]; then
    echo '20000 40000' > $half/cpu.max
else
    echo 40000 > $half/cpu.cfs_period_us
    echo 20000 > $half/cpu.cfs_quota_us
fi
exec "$@"

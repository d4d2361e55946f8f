# caught by: inside.machine.cgroups./half
# Half the weight is no limit: alone, it still gets all of the processor.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    half=/sys/fs/cgroup/half
else
    half=/sys/fs/cgroup/cpu/half
fi
mkdir $half
if [ -e $half/cpu.weight ]; then
    echo 50 > $half/cpu.weight
else
    echo 512 > $half/cpu.shares
fi
echo 0 > $half/cgroup.procs
exec "$@"

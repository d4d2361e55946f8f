# caught by: inside.machine.cgroups./service
# The child stays behind.
# Where cgroups are made, by version: v1 has a tree for each controller.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    groups=/sys/fs/cgroup
else
    groups='/sys/fs/cgroup/pids /sys/fs/cgroup/memory'
fi
service=$(cat /run/service.pid)

for group in $groups; do
    mkdir $group/service
    if [ -e $group/service/pids.max ]; then
        echo 8 > $group/service/pids.max
    fi
    echo $service > $group/service/cgroup.procs
done

exec "$@"

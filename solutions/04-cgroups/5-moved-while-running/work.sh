# Where cgroups are made, by version: v1 has a tree for each controller.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    groups=/sys/fs/cgroup
else
    groups='/sys/fs/cgroup/pids /sys/fs/cgroup/memory'
fi
service=$(cat /run/service.pid)

for group in $groups; do
    mkdir $group/service
    # In the tree of the memory controller of v1 there is no such file.
    if [ -e $group/service/pids.max ]; then
        echo 8 > $group/service/pids.max
    fi
    # A child stays where it was born, whatever becomes of its parent, and each
    # write takes one id.
    for pid in $service $(cat /proc/$service/task/$service/children); do
        echo $pid > $group/service/cgroup.procs
    done
done

exec "$@"

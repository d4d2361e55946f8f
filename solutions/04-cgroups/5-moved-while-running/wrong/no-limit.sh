# caught by: inside.machine.cgroups./service
# All are in there, and may be as many as they like.
# Where cgroups are made, by version: v1 has a tree for each controller.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    groups=/sys/fs/cgroup
else
    groups='/sys/fs/cgroup/pids /sys/fs/cgroup/memory'
fi
service=$(cat /run/service.pid)

for group in $groups; do
    mkdir $group/service
    for pid in $service $(cat /proc/$service/task/$service/children); do
        echo $pid > $group/service/cgroup.procs
    done
done

exec "$@"

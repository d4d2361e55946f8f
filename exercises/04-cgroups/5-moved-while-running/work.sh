# Where cgroups are made, by version: v1 has a tree for each controller.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    groups=/sys/fs/cgroup
else
    groups='/sys/fs/cgroup/pids /sys/fs/cgroup/memory'
fi
service=$(cat /run/service.pid)

for group in $groups; do
    mkdir $group/service
    # TODO: room for 8 processes, where there is a file for that.

    # TODO: move the service, all of it.
done

exec "$@"

# caught by: inside.process.cgroups
# Leaves /site, so that it may hand down, and does not come back.
site=/sys/fs/cgroup/site
mkdir $site $site/web $site/db
echo 0 > $site/cgroup.procs
echo 0 > /sys/fs/cgroup/machine/cgroup.procs
echo +memory > $site/cgroup.subtree_control
echo 64M > $site/web/memory.max
echo 32M > $site/db/memory.max
exec "$@"

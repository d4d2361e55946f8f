# caught by: inside.machine.cgroups./site
# Limits the parent, as nothing can be written below: each child may have all of it.
site=/sys/fs/cgroup/site
mkdir $site $site/web $site/db
echo 96M > $site/memory.max
echo 0 > $site/web/cgroup.procs
exec "$@"

site=/sys/fs/cgroup/site
mkdir $site $site/web $site/db
# The script is at home in /site, as systemd would have started it there.
echo 0 > $site/cgroup.procs

# Into a leaf first: a cgroup with a process in it can hand nothing down.
echo 0 > $site/web/cgroup.procs
echo +memory > $site/cgroup.subtree_control
echo 64M > $site/web/memory.max
echo 32M > $site/db/memory.max

exec "$@"

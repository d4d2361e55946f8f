site=/sys/fs/cgroup/site
mkdir $site $site/web $site/db
# The script is at home in /site, as systemd would have started it there.
echo 0 > $site/cgroup.procs

# TODO: this is refused (EBUSY), and then the files are missing. Why?
echo +memory > $site/cgroup.subtree_control
echo 64M > $site/web/memory.max
echo 32M > $site/db/memory.max

exec "$@"

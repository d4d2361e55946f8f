# Where the cgroups are, by version.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    top=/sys/fs/cgroup file=cgroup.freeze freeze=1
else
    top=/sys/fs/cgroup/freezer file=freezer.state freeze=FROZEN
fi
mkdir $top/day $top/night
mkfifo /run/never
# Until the child that was forked last has become the program of that name.
started() {
    until grep -qx $1 /proc/$!/comm; do :; done
}

sleep 1000 &                            # born in the machine's own cgroup
started sleep
echo $! > $top/day/cgroup.procs
echo 0 > $top/night/cgroup.procs        # this shell
tail -f /run/never &
started tail
echo 0 > $top/day/cgroup.procs          # this shell again
cat /run/never &
started cat
echo 0 > $top/machine/cgroup.procs      # and back to where it started
echo $freeze > $top/night/$file
checkpoint inside

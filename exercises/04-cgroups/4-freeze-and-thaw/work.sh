# Where the cgroup is, the file that freezes it, and what is written there, by version.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    batch=/sys/fs/cgroup/batch file=cgroup.freeze freeze=1 thaw=0
else
    batch=/sys/fs/cgroup/freezer/batch file=freezer.state freeze=FROZEN thaw=THAWED
fi

sleep 1000 &
worker=$!
# It is a shell's fork until it has executed sleep.
until grep -qx sleep /proc/$worker/comm; do :; done

# TODO: make the cgroup, move the worker into it, freeze it.

checkpoint frozen

# TODO: thaw it.

# A frozen worker of cgroup v1 would not die here, and `wait` would wait for ever.
kill $worker
wait $worker
exec "$@"

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

# The worker is moved while it runs: it does not notice.
mkdir $batch
echo $worker > $batch/cgroup.procs
# All that is in there, and all that will come in.
echo $freeze > $batch/$file

checkpoint frozen

# Before the kill: in v1 a frozen process does not die, and `wait` would wait for ever.
echo $thaw > $batch/$file
kill $worker
wait $worker
exec "$@"

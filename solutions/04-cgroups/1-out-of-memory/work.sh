# Where the cgroup is, and what its limit on memory is called, by version.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    box=/sys/fs/cgroup/hungry limit=memory.max
else
    box=/sys/fs/cgroup/memory/hungry limit=memory.limit_in_bytes
fi

# The kernel fills the new directory with the controller's files.
mkdir $box
# Before anybody is in it: a limit is no use to one who has already eaten.
echo 32M > $box/$limit
# A child goes in, `0` being whoever writes, and becomes the program. The shell
# itself stays outside, or the OOM killer might choose it.
(echo 0 > $box/cgroup.procs; exec ./hungry)

exec "$@"

# Where the cgroup is, by version.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    half=/sys/fs/cgroup/half
else
    half=/sys/fs/cgroup/cpu/half
fi

# Computes until its cgroup was throttled.
work_hard() {
    until grep -q '^nr_throttled [1-9]' $half/cpu.stat; do :; done
}

mkdir $half
# v2 has made one file of the two, which were never of use by themselves.
if [ -e $half/cpu.max ]; then
    echo '20000 40000' > $half/cpu.max
else
    echo 40000 > $half/cpu.cfs_period_us
    echo 20000 > $half/cpu.cfs_quota_us
fi

# This shell goes in, since it is the one that becomes the payload.
echo 0 > $half/cgroup.procs
work_hard

exec "$@"

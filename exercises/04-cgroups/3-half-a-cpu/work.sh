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

# TODO: make the cgroup, and let it run 20000 µs in every 40000 µs: on v1 the files are
# cpu.cfs_period_us and cpu.cfs_quota_us, on v2 it is one, cpu.max.

# TODO: go in, and then
# work_hard

exec "$@"

closed=/sys/fs/cgroup/devices/closed
mkdir /run/tried

# What a program says that may not open the device; nothing when it may.
try() {
    head -c 1 /dev/urandom 2>&1 > /dev/null | sed -n 's/.*: //p'
}

# TODO: make the cgroup $closed/payload, and go in.

try > /run/tried/answer
exec "$@"

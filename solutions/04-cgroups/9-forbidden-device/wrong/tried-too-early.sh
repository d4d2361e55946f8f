# caught by: inside.machine.files
# Tries from outside, where the device can be opened, and goes in afterwards.
closed=/sys/fs/cgroup/devices/closed
mkdir /run/tried
head -c 1 /dev/urandom 2>&1 > /dev/null | sed -n 's/.*: //p' > /run/tried/answer
mkdir $closed/payload
echo 0 > $closed/payload/cgroup.procs
exec "$@"

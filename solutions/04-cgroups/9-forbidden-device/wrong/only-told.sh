# caught by: inside.process.cgroups
# Writes down what is expected, without having been refused anything.
closed=/sys/fs/cgroup/devices/closed
mkdir /run/tried $closed/payload
echo 'Operation not permitted' > /run/tried/answer
exec "$@"

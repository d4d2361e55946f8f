# The machine's queues, and one of them.
mkdir -p /run/mqueue
mount -t mqueue machine /run/mqueue
: > /run/mqueue/jobs

# caught by: after.machine.processes
# SIGTERM, as to any process. This one is number 1 somewhere, and has no handler for it.
# A container with one process. It says when it is there, and then sleeps.
mkfifo /run/there
unshare --pid --fork sh -c 'echo >/run/there; exec sleep 1000' &
unshare=$!
read -r _ </run/there

read -r inside </proc/$unshare/task/$unshare/children
nsenter --target "$inside" --pid "$@"
kill "$inside"

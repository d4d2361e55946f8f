# caught by: after.machine.processes
# Ends the process outside that waits. What is in the container goes on without it.
# A container with one process. It says when it is there, and then sleeps.
mkfifo /run/there
unshare --pid --fork sh -c 'echo >/run/there; exec sleep 1000' &
unshare=$!
read -r _ </run/there

read -r inside </proc/$unshare/task/$unshare/children
nsenter --target "$inside" --pid "$@"
kill -KILL "$unshare"
wait "$unshare" || :

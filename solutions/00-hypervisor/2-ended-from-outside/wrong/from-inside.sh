# caught by: after.machine.processes
# Signals number 1 from inside: there not even SIGKILL arrives.
# A container with one process. It says when it is there, and then sleeps.
mkfifo /run/there
unshare --pid --fork sh -c 'echo >/run/there; exec sleep 1000' &
unshare=$!
read -r _ </run/there

read -r inside </proc/$unshare/task/$unshare/children
nsenter --target "$inside" --pid "$@"
nsenter --target "$inside" --pid sh -c 'kill -KILL 1'

# caught by: inside.process.pids
# A namespace like the container's, and not the container's: the payload is its number 1.
# A container with one process. It says when it is there, and then sleeps.
mkfifo /run/there
unshare --pid --fork sh -c 'echo >/run/there; exec sleep 1000' &
unshare=$!
read -r _ </run/there

read -r inside </proc/$unshare/task/$unshare/children
unshare --pid --fork "$@"
kill -KILL "$inside"
wait "$unshare" || :

# A container with one process. It says when it is there, and then sleeps.
mkfifo /run/there
unshare --pid --fork sh -c 'echo >/run/there; exec sleep 1000' &
unshare=$!
read -r _ </run/there

# TODO: the payload is to run in the container, and then sleep is to end, not this one.
"$@"
kill -KILL "$unshare"

wait "$unshare" || echo "unshare ended, with $?"

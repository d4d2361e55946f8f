# A container with one process. It says when it is there, and then sleeps.
mkfifo /run/there
unshare --pid --fork sh -c 'echo >/run/there; exec sleep 1000' &
unshare=$!
read -r _ </run/there

# unshare(1) has forked it, so it is the only child of unshare. Any process of the
# host would find it in /proc, too: a PID namespace hides the outside, not the inside.
read -r inside </proc/$unshare/task/$unshare/children
# setns(2) for the PID namespace counts for children, so nsenter forks; the number 2
# is the next that is free there.
nsenter --target "$inside" --pid "$@"
# The first process of a namespace is spared each signal that it has no handler for,
# SIGTERM too. Only SIGKILL and SIGSTOP are not asked about, when they come from outside.
kill -KILL "$inside"

wait "$unshare" || echo "unshare ended, with $?"

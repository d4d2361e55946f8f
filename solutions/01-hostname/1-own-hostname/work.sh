# Give the payload a hostname of its own: tp-lab.
# The payload is the command in "$@"; `exec` turns this shell into it.

# unshare(1) makes the call, unshare(CLONE_NEWUTS), and then executes a shell.
exec unshare --uts sh -c '
    # The copy is ours now; the machine does not see the change.
    hostname tp-lab
    exec "$@"
' sh "$@"

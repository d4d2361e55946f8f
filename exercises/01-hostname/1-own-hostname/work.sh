# Give the payload a hostname of its own: tp-lab.
# The payload is the command in "$@"; `exec` turns this shell into it.

# TODO: enter a new UTS namespace, set the name there, then run the payload.
exec "$@"

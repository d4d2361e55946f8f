# Make a UTS namespace that lives without a process, and join it.

# TODO: a file to mount on; a namespace held there, with its name; then the payload.
exec "$@"

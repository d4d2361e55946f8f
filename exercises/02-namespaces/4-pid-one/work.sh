# Make the payload process 1 of a new PID namespace.

# TODO: the namespaces, the new /proc, and then the payload.
exec "$@"

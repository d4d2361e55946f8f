# Give the payload a network of its own, with a working loopback.

# TODO: the namespace, and lo in it.
exec "$@"

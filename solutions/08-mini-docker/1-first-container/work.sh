# The image has /bin/checkpoint, so the payload's words are the container's command.
# --network none: a network namespace with nothing in it but lo, which is up.
# --rm: the layer that the container has written goes when it ends.
exec mini-docker run --rm --network none --hostname web lab "$@"

# The root has its own upper directory all the same; it is the mount that is read-only.
# Each mount is: a read-only root does not make those on it read-only, so `:ro`.
exec mini-docker run --rm --network none --hostname web --read-only --tmpfs /run -v /srv/site:/site:ro lab "$@"

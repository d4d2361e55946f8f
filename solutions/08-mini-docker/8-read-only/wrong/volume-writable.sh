# caught by: inside.process.mounts./site
# The root is read-only, the volume on it is not.
exec mini-docker run --rm --network none --hostname web --read-only --tmpfs /run -v /srv/site:/site lab "$@"

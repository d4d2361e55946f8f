# caught by: inside.process.mounts./
# The site is safe; the root is not.
exec mini-docker run --rm --network none --hostname web --tmpfs /run -v /srv/site:/site:ro lab "$@"

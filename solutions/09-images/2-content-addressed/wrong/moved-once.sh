# caught by: inside.machine.files
# The digest of all of them together: one blob, and nobody can find a part of it.
name=$(cat /srv/in/* | sha256sum | cut -d' ' -f1)
cat /srv/in/* >"/srv/images/blobs/sha256/$name"
exec "$@"

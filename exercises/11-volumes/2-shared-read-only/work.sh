# Another container's volume, to be read only.

# TODO: whoever is in here can write to it.
exec unshare --mount sh -c '
    mount --bind /srv/volume /srv/root/data
    exec "$@"
' sh "$@"

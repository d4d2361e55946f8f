# A volume on a container's /data.

# TODO: the container sees an empty directory where its image has files.
exec unshare --mount sh -c '
    mount --bind /srv/volume /srv/root/data
    exec "$@"
' sh "$@"

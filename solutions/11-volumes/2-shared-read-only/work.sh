# Another container's volume, to be read only.

exec unshare --mount sh -c '
    mount --bind /srv/volume /srv/root/data
    # A second call, because the first ignores every flag but the kind of its bind. With
    # `bind` it is this mount that changes; without, it would be the file system.
    mount -o remount,bind,ro /srv/root/data
    exec "$@"
' sh "$@"

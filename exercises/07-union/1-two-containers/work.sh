# Two containers on one image, each with an etc/motd of its own.

# TODO: both are the image itself, so that the second overwrites the first.
exec unshare --mount sh -c '
    mount --bind /srv/image /srv/c1/root
    mount --bind /srv/image /srv/c2/root
    echo one >/srv/c1/root/etc/motd
    echo two >/srv/c2/root/etc/motd
    exec "$@"
' sh "$@"

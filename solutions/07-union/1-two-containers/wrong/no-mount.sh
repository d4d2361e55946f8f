# caught by: inside.process.mounts./srv/c1/root
# Writes into the upper directories by hand: right files, and no container.
exec unshare --mount sh -c '
    mkdir /srv/c1/upper/etc /srv/c2/upper/etc
    echo one >/srv/c1/upper/etc/motd
    echo two >/srv/c2/upper/etc/motd
    exec "$@"
' sh "$@"

# A container's changes become a layer, and another container starts on it.

# TODO: the second container starts on the base alone.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/base,upperdir=/srv/c1/upper,workdir=/srv/c1/work,userxattr overlay /srv/c1/root
    echo app >/srv/c1/root/bin/app
    rm /srv/c1/root/etc/old
    umount /srv/c1/root
    mount -t overlay -o lowerdir=/srv/base,upperdir=/srv/c2/upper,workdir=/srv/c2/work,userxattr overlay /srv/c2/root
    exec "$@"
' sh "$@"

# A container's changes become a layer, and another container starts on it.

# The upper directory is a layer already. -a keeps what a plain copy would not: the
# whiteout as the device that it is, owners, times, extended attributes. Copied
# after the umount, so that nobody writes to it meanwhile.
#
# The first of lowerdir is the topmost: base on top would show the deleted file.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/base,upperdir=/srv/c1/upper,workdir=/srv/c1/work,userxattr overlay /srv/c1/root
    echo app >/srv/c1/root/bin/app
    rm /srv/c1/root/etc/old
    umount /srv/c1/root
    cp -a /srv/c1/upper /srv/layers/app
    mount -t overlay -o lowerdir=/srv/layers/app:/srv/base,upperdir=/srv/c2/upper,workdir=/srv/c2/work,userxattr overlay /srv/c2/root
    exec "$@"
' sh "$@"

# Two containers on one image, each with an etc/motd of its own.

# One lower directory may be in any number of overlays: nobody writes to it. An
# upper and a work directory belong to one mount alone. The kernel checks that
# only where it keeps an index, and else lets two write over each other.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/c1/upper,workdir=/srv/c1/work,userxattr overlay /srv/c1/root
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/c2/upper,workdir=/srv/c2/work,userxattr overlay /srv/c2/root
    echo one >/srv/c1/root/etc/motd
    echo two >/srv/c2/root/etc/motd
    exec "$@"
' sh "$@"

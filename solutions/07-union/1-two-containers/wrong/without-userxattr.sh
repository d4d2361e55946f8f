# caught by: inside.process.mounts./srv/c1/root
# Without userxattr: marks would need trusted.*, which nobody here may set.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/c1/upper,workdir=/srv/c1/work overlay /srv/c1/root
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/c2/upper,workdir=/srv/c2/work overlay /srv/c2/root
    echo one >/srv/c1/root/etc/motd
    echo two >/srv/c2/root/etc/motd
    exec "$@"
' sh "$@"

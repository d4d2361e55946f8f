# caught by: inside.process.mounts./srv/c2/root
# One upper directory for both: the second container writes over the first.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/c1/upper,workdir=/srv/c1/work,userxattr overlay /srv/c1/root
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/c1/upper,workdir=/srv/c2/work,userxattr overlay /srv/c2/root
    echo one >/srv/c1/root/etc/motd
    echo two >/srv/c2/root/etc/motd
    exec "$@"
' sh "$@"

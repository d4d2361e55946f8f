# caught by: inside.machine.files./srv/upper/var/cache
# Makes the directory in the upper layer by hand: it is merged, not opaque.
exec unshare --mount sh -c '
    mkdir -p /srv/upper/var/cache
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/upper,workdir=/srv/work,userxattr overlay /srv/root
    echo new >/srv/root/var/cache/new
    exec "$@"
' sh "$@"

# caught by: inside.machine.files./srv/upper/var/cache
# Deletes what the image has, name by name, hidden ones too.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/upper,workdir=/srv/work,userxattr overlay /srv/root
    find /srv/root/var/cache -mindepth 1 -delete
    echo new >/srv/root/var/cache/new
    exec "$@"
' sh "$@"

# caught by: inside.machine.mounts./srv/rw
# The tmpfs is mounted for the whole machine: it stays.
mount -t tmpfs scratch /srv/rw
exec unshare --mount sh -c '
    mkdir /srv/rw/upper /srv/rw/work
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/rw/upper,workdir=/srv/rw/work,userxattr overlay /srv/root
    echo note >/srv/root/note
    exec "$@"
' sh "$@"

# caught by: inside.process.mounts./srv/rw
# On the disk, and in the background it is removed: while it runs, all is there.
exec unshare --mount sh -c '
    mkdir /srv/rw/upper /srv/rw/work
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/rw/upper,workdir=/srv/rw/work,userxattr overlay /srv/root
    echo note >/srv/root/note
    "$@"
    umount /srv/root
    rm -r /srv/rw/upper /srv/rw/work
' sh "$@"

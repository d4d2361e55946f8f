# A container whose writes are forgotten.

# A tmpfs lives as long as something refers to it: the mount, and the overlay that has
# its upper directory there. With the mount namespace both go. Upper and work are
# on one file system, as they must be: they are two directories of the same tmpfs.
exec unshare --mount sh -c '
    mount -t tmpfs scratch /srv/rw
    mkdir /srv/rw/upper /srv/rw/work
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/rw/upper,workdir=/srv/rw/work,userxattr overlay /srv/root
    echo note >/srv/root/note
    exec "$@"
' sh "$@"

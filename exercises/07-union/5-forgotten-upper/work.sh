# A container whose writes are forgotten.

# TODO: these two directories stay, and the note in them.
exec unshare --mount sh -c '
    mkdir /srv/rw/upper /srv/rw/work
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/rw/upper,workdir=/srv/rw/work,userxattr overlay /srv/root
    echo note >/srv/root/note
    exec "$@"
' sh "$@"

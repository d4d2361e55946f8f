# A cache that begins anew, over one that the image brings.

# TODO: three whiteouts. A fourth file in the image would show.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/upper,workdir=/srv/work,userxattr overlay /srv/root
    rm /srv/root/var/cache/*
    echo new >/srv/root/var/cache/new
    exec "$@"
' sh "$@"

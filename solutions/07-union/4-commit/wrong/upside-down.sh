# caught by: inside.process.mounts./srv/c2/root
# The base on top: it covers the new layer, and the deleted file is back.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/base,upperdir=/srv/c1/upper,workdir=/srv/c1/work,userxattr overlay /srv/c1/root
    echo app >/srv/c1/root/bin/app
    rm /srv/c1/root/etc/old
    umount /srv/c1/root
    cp -a /srv/c1/upper /srv/layers/app
    mount -t overlay -o lowerdir=/srv/base:/srv/layers/app,upperdir=/srv/c2/upper,workdir=/srv/c2/work,userxattr overlay /srv/c2/root
    exec "$@"
' sh "$@"

# caught by: inside.machine.files./srv/layers/app/etc/old
# Copies what shows, not what changed: the deletion is lost.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/base,upperdir=/srv/c1/upper,workdir=/srv/c1/work,userxattr overlay /srv/c1/root
    echo app >/srv/c1/root/bin/app
    rm /srv/c1/root/etc/old
    umount /srv/c1/root
    mkdir /srv/layers/app
    cp -a /srv/c1/upper/bin /srv/layers/app
    mount -t overlay -o lowerdir=/srv/layers/app:/srv/base,upperdir=/srv/c2/upper,workdir=/srv/c2/work,userxattr overlay /srv/c2/root
    exec "$@"
' sh "$@"

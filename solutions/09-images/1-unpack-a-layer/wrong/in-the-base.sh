# caught by: inside.machine.files./srv/layers/app/etc/key
# Deletes the file in the layer below, which others use, too.
mkdir /srv/layers/app
tar -C /srv/layers/app -xf /srv/layer.tar
rm /srv/layers/app/etc/.wh.key /srv/base/etc/key
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/layers/app:/srv/base,userxattr overlay /srv/root
    exec "$@"
' sh "$@"

# caught by: inside.machine.files./srv/layers/app/etc/key
# Takes the message away, and does not do what it says.
mkdir /srv/layers/app
tar -C /srv/layers/app -xf /srv/layer.tar
rm /srv/layers/app/etc/.wh.key
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/layers/app:/srv/base,userxattr overlay /srv/root
    exec "$@"
' sh "$@"

# A layer's archive becomes a layer.

mkdir /srv/layers/app
tar -C /srv/layers/app -xf /srv/layer.tar

# TODO: tar does not know what a name that begins with .wh. means.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/layers/app:/srv/base,userxattr overlay /srv/root
    exec "$@"
' sh "$@"

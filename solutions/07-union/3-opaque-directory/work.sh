# A cache that begins anew, over one that the image brings.

# To delete the whole directory leaves a whiteout of it. mkdir(2) then cannot just
# put a directory in its place: that would be merged with the one below, and the
# old files be back. So overlayfs marks the new one: user.overlay.opaque=y.
exec unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/upper,workdir=/srv/work,userxattr overlay /srv/root
    rm -r /srv/root/var/cache
    mkdir /srv/root/var/cache
    echo new >/srv/root/var/cache/new
    exec "$@"
' sh "$@"

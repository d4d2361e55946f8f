# The same changes in both containers; then the image itself gets an update, which one
# does to no image in use.
unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/image,upperdir=/srv/upper,workdir=/srv/work,userxattr overlay /srv/root
    for container in /srv/root /srv/snapshot; do
        echo mine >$container/etc/motd
        rm $container/etc/key
    done
    echo updated >/srv/image/etc/issue
    checkpoint look
'

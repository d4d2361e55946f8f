# The layer on the image, read-only.
unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/top:/srv/base,userxattr overlay /srv/root
    checkpoint look
'

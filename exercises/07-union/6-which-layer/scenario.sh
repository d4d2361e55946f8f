# Four layers: /srv/upper, /srv/top, /srv/middle, /srv/lowest.
unshare --mount sh -c '
    mount -t overlay -o lowerdir=/srv/top:/srv/middle:/srv/lowest,upperdir=/srv/upper,workdir=/srv/work,userxattr overlay /srv/root
    echo new >/srv/root/etc/motd
    checkpoint look
'

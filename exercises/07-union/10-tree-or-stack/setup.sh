# One image.
mkdir -p /srv/image/etc
echo image >/srv/image/etc/motd
echo secret >/srv/image/etc/key
echo image >/srv/image/etc/issue

mkdir /srv/upper /srv/work /srv/root
# btrfs subvolume snapshot /srv/image /srv/snapshot
cp -a --reflink=auto /srv/image /srv/snapshot

# The topmost layer.
mkdir -p /srv/top/etc
echo top >/srv/top/etc/motd
mknod /srv/top/etc/issue c 0 0
# The one in the middle.
mkdir -p /srv/middle/etc
echo middle >/srv/middle/etc/issue
echo middle >/srv/middle/opt
# The lowest.
mkdir -p /srv/lowest/etc /srv/lowest/opt
echo lowest >/srv/lowest/etc/motd
echo lowest >/srv/lowest/opt/app

mkdir /srv/upper /srv/work /srv/root

# The image below.
mkdir -p /srv/base/etc /srv/base/cache
echo base >/srv/base/etc/motd
echo 1234 >/srv/base/etc/key
echo old >/srv/base/cache/old
# The layer above, as tar has unpacked it …
mkdir -p /srv/top/etc /srv/top/cache
: >/srv/top/etc/.wh.motd
: >/srv/top/cache/.wh..wh..opq
echo new >/srv/top/cache/new
# … and one whiteout by hand.
mknod /srv/top/etc/key c 0 0

mkdir /srv/root

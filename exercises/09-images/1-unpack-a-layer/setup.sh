mkdir -p /srv/base/etc /srv/pack/etc /srv/layers /srv/root
echo base >/srv/base/etc/motd
echo 1234 >/srv/base/etc/key
# The layer's archive: a new file, and a deletion as a name.
echo new >/srv/pack/etc/new
: >/srv/pack/etc/.wh.key
tar -C /srv/pack -cf /srv/layer.tar etc
rm -r /srv/pack

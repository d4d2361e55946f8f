mkdir -p /srv/image /srv/rw /srv/root
echo image >/srv/image/motd

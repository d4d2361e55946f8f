mkdir -p /srv/image/etc /srv/image/var/cache /srv/layer /srv/root
echo image >/srv/image/etc/motd
echo password >/srv/image/etc/secret
echo a >/srv/image/var/cache/a

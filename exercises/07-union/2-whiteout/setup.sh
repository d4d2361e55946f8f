mkdir -p /srv/image/etc /srv/upper /srv/work /srv/root
echo image >/srv/image/etc/motd
echo password >/srv/image/etc/secret

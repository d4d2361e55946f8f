mkdir -p /srv/root/data/sub /srv/volume
echo from the image >/srv/root/data/file
echo deeper >/srv/root/data/sub/other
chmod 0750 /srv/root/data
chmod 0600 /srv/root/data/file

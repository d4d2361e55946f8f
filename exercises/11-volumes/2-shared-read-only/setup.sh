mkdir -p /srv/root/data /srv/volume
echo shared >/srv/volume/file

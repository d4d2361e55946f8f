mkdir -p /srv/host /srv/root/srv/host
echo machine >/srv/host/note
ln -s /srv/host /srv/root/etc

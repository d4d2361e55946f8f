mkdir -p /srv/image/opt/old /srv/upper /srv/work /srv/root
echo app >/srv/image/opt/old/app

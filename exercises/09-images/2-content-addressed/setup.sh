mkdir -p /srv/in /srv/images/blobs/sha256
echo 'the layer of both' >/srv/in/web-layer
echo 'the layer of both' >/srv/in/db-layer
echo '{"os": "linux"}' >/srv/in/web-config

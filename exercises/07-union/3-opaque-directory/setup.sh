mkdir -p /srv/image/var/cache /srv/upper /srv/work /srv/root
for name in a b c; do
    echo $name >/srv/image/var/cache/$name
done

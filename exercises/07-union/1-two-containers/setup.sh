mkdir -p /srv/image/etc
echo image >/srv/image/etc/motd
for container in c1 c2; do
    mkdir -p /srv/$container/upper /srv/$container/work /srv/$container/root
done

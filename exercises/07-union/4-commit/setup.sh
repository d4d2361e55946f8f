mkdir -p /srv/base/bin /srv/base/etc /srv/layers
echo base >/srv/base/etc/motd
echo old >/srv/base/etc/old
for container in c1 c2; do
    mkdir -p /srv/$container/upper /srv/$container/work /srv/$container/root
done

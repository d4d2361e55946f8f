# A volume on a container's /data.

# While it can still be seen: the mount hides it. The dot names the directory itself, so
# that its own mode comes along.
cp -a /srv/root/data/. /srv/volume
exec unshare --mount sh -c '
    mount --bind /srv/volume /srv/root/data
    exec "$@"
' sh "$@"

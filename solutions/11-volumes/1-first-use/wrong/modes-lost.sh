# caught by: inside.machine.files./srv/volume/file
# A copy without -a: everybody may read what only its owner could.
cp -r /srv/root/data/. /srv/volume
chmod 0750 /srv/volume
chmod 0644 /srv/volume/file
exec unshare --mount sh -c '
    mount --bind /srv/volume /srv/root/data
    exec "$@"
' sh "$@"

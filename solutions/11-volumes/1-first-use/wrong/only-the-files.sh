# caught by: inside.machine.files./srv/volume
# Copies what is in the directory, and not what the directory is.
cp -a /srv/root/data/* /srv/volume
exec unshare --mount sh -c '
    mount --bind /srv/volume /srv/root/data
    exec "$@"
' sh "$@"

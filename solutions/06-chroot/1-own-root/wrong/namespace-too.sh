# caught by: inside.process.namespaces.mnt
# chroot needs no namespace; this one nobody asked for.
mkdir -p /srv/box/bin
cp "$(command -v checkpoint)" /srv/box/bin/
cp /bin/sh /srv/box/bin/
for file in $(ldd /bin/sh | grep -o '/[^ ]*'); do
    cp --parents "$file" /srv/box
done
exec unshare --mount chroot /srv/box "$@"

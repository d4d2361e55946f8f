# caught by: inside.process.root
# A working directory is no root.
mkdir -p /srv/box/bin
cp "$(command -v checkpoint)" /srv/box/bin/
cp /bin/sh /srv/box/bin/
for file in $(ldd /bin/sh | grep -o '/[^ ]*'); do
    cp --parents "$file" /srv/box
done
cd /srv/box
exec "$@"

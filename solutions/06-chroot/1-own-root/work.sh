# Build a root of the machine's own programs, and run the payload in it.
mkdir -p /srv/box/bin
# Static: nothing else is needed to run it.
cp "$(command -v checkpoint)" /srv/box/bin/

# The kernel opens the program, reads the path of its loader in it, and starts that;
# the loader then looks for the libraries. Both look in the *new* root, so each file
# goes to the path that it has outside.
cp /bin/sh /srv/box/bin/
for file in $(ldd /bin/sh | grep -o '/[^ ]*'); do
    cp --parents "$file" /srv/box
done

# chroot(2), then chdir("/"), then exec: in this order, because a working directory
# that stays outside is a way out.
exec chroot /srv/box "$@"

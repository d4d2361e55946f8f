# Run the payload, "$@", in a root of its own.
mkdir -p /srv/box/bin
cp "$(command -v checkpoint)" /srv/box/bin/

# TODO: the shell, and what it needs to start. `ldd FILE` prints the libraries of
# FILE and its loader, with their paths.

exec chroot /srv/box "$@"

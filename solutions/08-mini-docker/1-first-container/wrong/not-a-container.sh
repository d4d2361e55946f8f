# caught by: inside.process.namespaces.mnt
# Namespaces alone, by hand: no image, and nothing is taken away.
exec unshare --uts --net --ipc --pid --fork sh -c 'hostname web; ip link set lo up; exec "$@"' sh "$@"

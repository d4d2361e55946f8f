# caught by: inside.process.mounts./old
# Hides the old root behind a tmpfs, and leaves it mounted.
exec unshare --mount sh -c '
    mount -t tmpfs -o mode=755 box /mnt
    cp -a /srv/rootfs/. /mnt
    mkdir /mnt/old
    cd /mnt
    pivot_root . old
    mount -t proc -o nosuid,nodev,noexec proc /proc
    mount -t tmpfs nothing /old
    exec "$@"
' sh "$@"

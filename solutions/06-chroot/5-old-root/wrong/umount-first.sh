# caught by: inside.process.mounts./proc
# The old root goes first, and with it the proc that lets another one be mounted.
exec unshare --mount sh -c '
    mount -t tmpfs -o mode=755 box /mnt
    cp -a /srv/rootfs/. /mnt
    mkdir /mnt/old
    cd /mnt
    pivot_root . old
    umount -l /old
    mount -t proc -o nosuid,nodev,noexec proc /proc
    exec "$@"
' sh "$@"

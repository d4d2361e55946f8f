# caught by: inside.process.root
# The same look, by chroot: /proc below /mnt, and the machine above.
exec unshare --mount sh -c '
    mount -t tmpfs -o mode=755 box /mnt
    cp -a /srv/rootfs/. /mnt
    mount -t proc -o nosuid,nodev,noexec proc /mnt/proc
    exec chroot /mnt "$@"
' sh "$@"

# Enters the same directory in two ways.
chroot /srv/rootfs /bin/checkpoint chroot

unshare --mount sh -c '
    mount --bind /srv/rootfs /srv/rootfs
    mkdir /srv/rootfs/old
    cd /srv/rootfs
    pivot_root . old
    # Still there, below /old; this shell has its own /bin/umount in the new root.
    mount -t proc proc /proc
    umount -l /old
    exec /bin/checkpoint pivot
'

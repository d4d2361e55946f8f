# A container with a root of its own, and without the one it came from.
exec unshare --mount sh -c '
    mount -t tmpfs -o mode=755 box /mnt
    cp -a /srv/rootfs/. /mnt
    mkdir /mnt/old
    cd /mnt
    # A mount on / that has a parent can become the root; the old one goes to old.
    pivot_root . old
    # While the old root is there: the kernel gives a new proc only to who can see a
    # whole one already, when a user namespace stands between it and the host.
    mount -t proc -o nosuid,nodev,noexec proc /proc
    # Lazily, with all that is mounted below: this shell and its libraries are files
    # of the old root and still in use, so a plain umount is EBUSY.
    umount -l /old
    # The shell came along into the new root; from here on the payload can be found.
    exec "$@"
' sh "$@"

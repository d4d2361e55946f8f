# Run the payload with a small /dev.
exec unshare --mount sh -c '
    # Elsewhere first: over /dev it would hide the nodes that are to be bound. Without
    # nodev, or the nodes in it could not be opened.
    mkdir /run/dev
    mount -t tmpfs -o nosuid,noexec,mode=755 dev /run/dev

    # mknod of a device is EPERM in a user namespace, whatever its capabilities: the
    # node would give access to hardware. To show one that is there already is allowed.
    for node in null zero random urandom; do
        touch /run/dev/$node
        mount --bind /dev/$node /run/dev/$node
    done

    # Terminals of its own: numbers begin at 0, and those of others cannot be opened.
    # ptmxmode, because /dev/pts/ptmx has mode 000 by default.
    mkdir /run/dev/pts /run/dev/shm
    mount -t devpts -o nosuid,noexec,ptmxmode=666 devpts /run/dev/pts
    mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 shm /run/dev/shm

    # What is mounted below moves along. A mount below a shared one cannot be moved
    # (EINVAL); unshare(1) has made all of them private.
    mount --move /run/dev /dev
    exec "$@"
' sh "$@"

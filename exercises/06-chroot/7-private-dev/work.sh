# Run the payload with a small /dev.
exec unshare --mount sh -c '
    mkdir /run/dev
    mount -t tmpfs -o nosuid,noexec,mode=755 dev /run/dev

    # TODO: for each of null, zero, random, urandom: an empty file, and the node bound
    # on it.

    # TODO: pts (devpts, -o newinstance is what every mount of it is today) and shm.

    # TODO: move the whole to /dev.

    exec "$@"
' sh "$@"

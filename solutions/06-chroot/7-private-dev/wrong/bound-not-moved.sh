# caught by: inside.process.mounts./run/dev
# A bind without the mounts below it, and the first one stays.
exec unshare --mount sh -c '
    mkdir /run/dev
    mount -t tmpfs -o nosuid,noexec,mode=755 dev /run/dev
    for node in null zero random urandom; do
        touch /run/dev/$node
        mount --bind /dev/$node /run/dev/$node
    done
    mkdir /run/dev/pts /run/dev/shm
    mount -t devpts -o nosuid,noexec,ptmxmode=666 devpts /run/dev/pts
    mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 shm /run/dev/shm
    mount --rbind /run/dev /dev
    exec "$@"
' sh "$@"

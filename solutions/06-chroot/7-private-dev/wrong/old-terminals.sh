# caught by: inside.process.mounts./dev/pts (2)
# Shows the machine's terminals in place of new ones.
exec unshare --mount sh -c '
    mkdir /run/dev
    mount -t tmpfs -o nosuid,noexec,mode=755 dev /run/dev
    for node in null zero random urandom; do
        touch /run/dev/$node
        mount --bind /dev/$node /run/dev/$node
    done
    mkdir /run/dev/pts /run/dev/shm
    mount --bind /dev/pts /run/dev/pts
    mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 shm /run/dev/shm
    mount --move /run/dev /dev
    exec "$@"
' sh "$@"

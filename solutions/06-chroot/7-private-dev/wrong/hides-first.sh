# caught by: inside.process.mounts./dev/null (2)
# Over /dev at once: what is bound then is the empty file itself.
exec unshare --mount sh -c '
    mount -t tmpfs -o nosuid,noexec,mode=755 dev /dev
    for node in null zero random urandom; do
        touch /dev/$node
        mount --bind /dev/$node /dev/$node
    done
    mkdir /dev/pts /dev/shm
    mount -t devpts -o nosuid,noexec,ptmxmode=666 devpts /dev/pts
    mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 shm /dev/shm
    exec "$@"
' sh "$@"

# caught by: inside.process.mounts./run/inbox/letter
# Private first, and a mount without peers cannot be made a slave.
exec unshare --mount sh -c '
    mount --make-rslave /
    exec sh /run/exchange "$@"
' sh "$@"

# caught by: inside.process.owned_namespaces
# The UTS namespace is made first, so the machine's user namespace owns it.
exec unshare --uts sh -c '
    hostname mine
    exec unshare --user --map-user=1000 --map-group=1000 \
        unshare --user --map-root-user "$@"
' sh "$@"

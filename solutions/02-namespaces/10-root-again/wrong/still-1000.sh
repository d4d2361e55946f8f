# caught by: inside.process.namespaces.uts
# User 1000 may make neither a UTS namespace nor a name: both calls are refused.
exec unshare --user --map-user=1000 --map-group=1000 sh -c '
    hostname mine
    exec "$@"
' sh "$@"

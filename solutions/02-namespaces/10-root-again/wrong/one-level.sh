# caught by: inside.process.uid_map
# Root, but of a namespace just below the machine's.
exec unshare --user --map-root-user --uts sh -c '
    hostname mine
    exec "$@"
' sh "$@"

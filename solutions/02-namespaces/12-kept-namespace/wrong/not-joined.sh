# caught by: inside.process.namespaces.uts
# Held, named, and nobody in it.
touch /run/kept
unshare --uts=/run/kept hostname kept
exec "$@"

# caught by: inside.process.interfaces.lo
# The namespace, and nothing done in it.
exec unshare --net "$@"

# caught by: inside.process.hostname
# A new namespace, whose name nobody has changed.
exec unshare --uts "$@"

# caught by: inside.process.namespaces.uts
# The namespace ends with the command that was run in it; the payload runs after.
unshare --uts hostname tp-lab
exec "$@"

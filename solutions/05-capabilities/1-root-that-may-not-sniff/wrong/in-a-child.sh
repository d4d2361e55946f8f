# caught by: inside.process.capabilities.bounding
# The child that is changed ends; the shell has what it had.
setpriv --bounding-set -net_raw true
exec "$@"

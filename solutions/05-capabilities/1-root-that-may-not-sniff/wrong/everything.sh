# caught by: inside.process.capabilities.bounding
# Cannot sniff, and can do nothing else either.
exec setpriv --bounding-set -all "$@"

# Run the payload as root that may do everything but sniff.

# Only the bounding set: root's execve makes permitted and effective anew, and
# takes for them all that is in there. So with it net_raw leaves all three.
exec setpriv --bounding-set -net_raw "$@"

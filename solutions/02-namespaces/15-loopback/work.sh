# Give the payload a network of its own, with a working loopback.

# The machine's interfaces stay where they are: each is in one namespace only.
exec unshare --net sh -c '
    # A new lo is down. The kernel adds its addresses when it comes up.
    ip link set lo up
    exec "$@"
' sh "$@"

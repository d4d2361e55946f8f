# Make the machine a router between red and blue.

# TODO: addresses, the interfaces up, the routes, forwarding.

ip netns exec red ping -q -c 1 -W 3 10.2.0.2
exec "$@"

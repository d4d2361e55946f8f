# Networks that reach the world, and not each other.

# TODO: table, chain, three rules.

ip netns exec web ping -q -c 1 -W 2 192.0.2.2
ip netns exec web ping -q -c 1 -W 1 10.2.0.2
exec "$@"

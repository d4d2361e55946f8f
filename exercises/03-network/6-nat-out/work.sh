# Let a private network out through the machine's address.

# TODO: table, chain, rule.

ip netns exec inside ping -q -c 1 -W 2 192.0.2.2
exec "$@"

# Let a private network out through the machine's address.

nft add table ip nat
# After the routing decision: only there is it known by which interface the packet
# leaves, and so which address it needs.
nft add chain ip nat postrouting '{ type nat hook postrouting priority srcnat; }'
# masquerade takes the address that `wan` has at that moment; snat would have it in
# the rule. What belongs to the connection is turned back without another rule.
nft add rule ip nat postrouting ip saddr 10.0.0.0/24 oifname wan masquerade

ip netns exec inside ping -q -c 1 -W 2 192.0.2.2
exec "$@"

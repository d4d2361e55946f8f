# caught by: inside.machine.firewall.ip nat postrouting
# The rule for the way into the world. This packet does not go there.
# From a container to its neighbour, by the machine's published port.

# After the routing decision: only there it is known that the packet goes back to where
# it came from.
nft add chain ip nat postrouting '{ type nat hook postrouting priority srcnat; }'
# Not all that goes from the bridge to the bridge: what asks for its neighbour by the
# neighbour's own address keeps its own.
nft add rule ip nat postrouting ip saddr 10.0.0.0/24 oifname wan masquerade

# connect(2) comes back when somebody has answered, be it with a refusal.
ip netns exec other timeout 2 bash -c ': </dev/tcp/192.0.2.1/8080'
exec "$@"

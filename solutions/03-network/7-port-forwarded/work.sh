# Publish a port of a private network.

nft add table ip nat
# Before the routing decision: it is made by the destination, so that one has to be
# the new one by then. At postrouting the packet would be the machine's own already.
nft add chain ip nat prerouting '{ type nat hook prerouting priority dstnat; }'
# Only what comes from outside. The machine's own packets start at the hook output.
nft add rule ip nat prerouting iifname wan tcp dport 8080 dnat to 10.0.0.2:80

# connect(2) comes back when somebody has answered, be it with a refusal.
ip netns exec world timeout 3 bash -c ': </dev/tcp/192.0.2.1/8080'
exec "$@"

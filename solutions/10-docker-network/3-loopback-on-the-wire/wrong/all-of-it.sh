# caught by: inside.machine.firewall.ip guard prerouting
# The machine's own packets to itself pass prerouting too.
# What is for the loopback comes by the loopback.

nft add table ip guard
# raw is before dstnat. A rule for a published port would have changed the destination by
# then, and this one would not know the packet again.
nft add chain ip guard prerouting '{ type filter hook prerouting priority raw; }'
nft add rule ip guard prerouting ip daddr 127.0.0.0/8 drop

# Both knock: the machine itself, and the neighbour by the wire.
timeout 2 bash -c ': </dev/tcp/127.0.0.1/8080'
ip netns exec neighbour timeout 1 bash -c ': </dev/tcp/127.0.0.1/8080'
exec "$@"

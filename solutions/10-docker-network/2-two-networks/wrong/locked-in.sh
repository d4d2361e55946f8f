# caught by: inside.machine.firewall.ip filter forward
# By where it comes from: now nobody gets out.
# Networks that reach the world, and not each other.

nft add table ip filter
nft add chain ip filter forward '{ type filter hook forward priority filter; }'
# First, as the first verdict counts: an answer goes into the network as well.
nft add rule ip filter forward ct state established,related accept
# By where a packet goes, not by where it comes from: so the world does not get in either.
nft add rule ip filter forward iifname front drop
nft add rule ip filter forward iifname back drop

ip netns exec web ping -q -c 1 -W 2 192.0.2.2
ip netns exec web ping -q -c 1 -W 1 10.2.0.2
exec "$@"

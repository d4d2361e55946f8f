# caught by: inside.machine.firewall.ip filter forward
# The question goes out, and the answer is dropped at the door.
# Networks that reach the world, and not each other.

nft add table ip filter
nft add chain ip filter forward '{ type filter hook forward priority filter; }'
# By where a packet goes, not by where it comes from: so the world does not get in either.
nft add rule ip filter forward oifname front drop
nft add rule ip filter forward oifname back drop

ip netns exec web ping -q -c 1 -W 2 192.0.2.2
ip netns exec web ping -q -c 1 -W 1 10.2.0.2
exec "$@"

# caught by: inside.machine.firewall.ip names output
# The machine's own questions, not the container's.
# Questions for 127.0.0.11 go to the port where the name server is.

nft add table ip names
# What a program of this network sends begins at output; at prerouting it would be seen
# only when it is on its way in.
nft add chain ip names output '{ type nat hook output priority -100; }'
# The address is a part of the test: port 53 of all others is the container's own.
nft add rule ip names output ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:5353

# A program in the container asks: our server, and one of its own.
ip netns exec box bash -c 'echo question >/dev/udp/127.0.0.11/53; echo question >/dev/udp/127.0.0.1/53'
exec "$@"

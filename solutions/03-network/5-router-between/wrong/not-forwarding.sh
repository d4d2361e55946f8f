# caught by: inside.machine.forwarding
# All is right, but for the switch.
# Make the machine a router between red and blue.

ip address add 10.1.0.1/24 dev red0
ip address add 10.2.0.1/24 dev blue0
ip link set red0 up
ip link set blue0 up
ip -n red address add 10.1.0.2/24 dev eth0
ip -n blue address add 10.2.0.2/24 dev eth0
ip -n red link set eth0 up
ip -n blue link set eth0 up
# After `up`: before, the router is in no network that red is in, and the kernel
# refuses a route to where it cannot go.
ip -n red route add default via 10.1.0.1
# The answer needs a way back. Without this one the ping arrives, and is lost then.
ip -n blue route add default via 10.2.0.1
# A host drops what is for another; a router passes it on. /proc/sys/net is that of
# the network namespace of whoever opens it: here the machine's.

ip netns exec red ping -q -c 1 -W 3 10.2.0.2
exec "$@"

# Connect two network namespaces by one cable.

ip netns add red
ip netns add blue
# A pair is made here and moved, end by end: each end is in exactly one namespace.
ip link add name east type veth peer name west
ip link set east netns red
ip link set west netns blue
# Only now: a move takes the addresses away, and the interface down.
ip -n red address add 10.0.0.1/24 dev east
ip -n blue address add 10.0.0.2/24 dev west
# A cable carries nothing before both ends are up. The route to 10.0.0.0/24 comes
# with that.
ip -n red link set east up
ip -n blue link set west up

ip netns exec red ping -q -c 1 -W 3 10.0.0.2
exec "$@"

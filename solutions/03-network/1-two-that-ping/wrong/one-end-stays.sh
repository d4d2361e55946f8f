# caught by: inside.machine.networks.blue.interfaces.west
# The end west is left in the machine: red talks to the machine.
ip netns add red
ip netns add blue
ip link add name east type veth peer name west
ip link set east netns red
ip -n red address add 10.0.0.1/24 dev east
ip address add 10.0.0.2/24 dev west
ip -n red link set east up
ip link set west up
ip netns exec red ping -q -c 1 -W 3 10.0.0.2
exec "$@"

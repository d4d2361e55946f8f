# caught by: inside.machine.networks.red.interfaces.east
# The addresses are given in the machine, and are lost with the move.
ip netns add red
ip netns add blue
ip link add name east type veth peer name west
ip address add 10.0.0.1/24 dev east
ip address add 10.0.0.2/24 dev west
ip link set east netns red
ip link set west netns blue
ip -n red link set east up
ip -n blue link set west up
ip netns exec red ping -q -c 1 -W 3 10.0.0.2
exec "$@"

# caught by: inside.machine.networks.blue.interfaces.west
# The far end stays down, so that nobody answers.
ip netns add red
ip netns add blue
ip link add name east netns red type veth peer name west netns blue
ip -n red address add 10.0.0.1/24 dev east
ip -n blue address add 10.0.0.2/24 dev west
ip -n red link set east up
ip netns exec red ping -q -c 1 -W 3 10.0.0.2
exec "$@"

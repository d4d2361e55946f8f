# caught by: inside.machine.interfaces.red0
# The address is given to the end that is a port.
# Connect three network namespaces by a bridge.

ip link add name lan type bridge
# The bridge is an interface of the machine, and switches only while it is up.
ip link set lan up

# Called below as: connect NAME ADDRESS
connect() {
    # All three may be called eth0: a name has to be unique in its namespace only.
    # So the far end is best born there, and not moved and renamed.
    ip link add name "${1}0" type veth peer name eth0 netns "$1"
    ip link set "${1}0" master lan
    # A port needs no address. The bridge looks at frames, not at packets.
    ip link set "${1}0" up
    ip address add "$2" dev "${1}0"
    ip -n "$1" link set eth0 up
}

connect red 10.0.0.1/24
connect green 10.0.0.2/24
connect blue 10.0.0.3/24

ip netns exec red ping -q -c 1 -W 3 10.0.0.2 &&
    ip netns exec green ping -q -c 1 -W 3 10.0.0.3 &&
    ip netns exec blue ping -q -c 1 -W 3 10.0.0.1
exec "$@"

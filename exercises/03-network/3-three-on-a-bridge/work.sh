# Connect three network namespaces by a bridge.

# TODO: the bridge lan, up.

# Called below as: connect NAME ADDRESS
connect() {
    # TODO: a veth pair, its end eth0 in the namespace $1 with the address $2, its
    # other end ${1}0 here, as a port of the bridge; both up.
    :
}

connect red 10.0.0.1/24
connect green 10.0.0.2/24
connect blue 10.0.0.3/24

ip netns exec red ping -q -c 1 -W 3 10.0.0.2 &&
    ip netns exec green ping -q -c 1 -W 3 10.0.0.3 &&
    ip netns exec blue ping -q -c 1 -W 3 10.0.0.1
exec "$@"

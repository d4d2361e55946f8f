# Connect two network namespaces by one cable.

# TODO: the namespaces red and blue; a veth pair, its end east in red with the
# address 10.0.0.1/24, its end west in blue with 10.0.0.2/24, both up.

ip netns exec red ping -q -c 1 -W 3 10.0.0.2
exec "$@"

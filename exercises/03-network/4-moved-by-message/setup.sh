ip netns add blue
ip link add name near type veth peer name far
ip address add 10.0.0.1/24 dev near
ip address add 10.0.0.2/24 dev far
ip link set near up
ip link set far up

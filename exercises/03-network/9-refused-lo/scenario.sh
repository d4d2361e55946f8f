# What can be moved, and how it arrives.
ip netns add blue
ip link set lo netns blue
checkpoint tried

ip -n blue link set lo up
ip link set lo down
checkpoint two

ip link add name near type veth peer name far
ip link set near up
ip link set near netns blue
checkpoint moved

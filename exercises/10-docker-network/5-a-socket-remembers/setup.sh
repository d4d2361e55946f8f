# A container's network; its loopback is up.
ip netns add box
ip -n box link set lo up

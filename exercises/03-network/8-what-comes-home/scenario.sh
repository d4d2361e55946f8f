# A cable from the machine into blue, and the end of blue.
ip netns add blue
ip link add name near type veth peer name far
ip link set far netns blue
checkpoint moved

# A process in blue says that it is there, and waits to be let go.
mkfifo /run/there /run/go
ip netns exec blue sh -c 'echo >/run/there; read line </run/go' &
read line </run/there
ip netns delete blue
checkpoint nameless

echo >/run/go
wait
# The kernel takes it away in the background: until that is done.
while ip link show near >/run/out 2>&1 && [ $((n += 1)) -lt 2000 ]; do :; done
checkpoint ended

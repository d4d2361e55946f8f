# On some hosts a new network namespace forwards from the start.
echo 0 >/proc/sys/net/ipv4/ip_forward
for name in red blue; do
    ip netns add $name
    ip link add name ${name}0 type veth peer name eth0 netns $name
done

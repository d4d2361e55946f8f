# A container network `inside`, behind the machine; and the world, which knows
# nothing of it.
echo 1 >/proc/sys/net/ipv4/ip_forward
ip netns add inside
ip netns add world
ip link add name in0 type veth peer name eth0 netns inside
ip link add name wan type veth peer name eth0 netns world
ip address add 10.0.0.1/24 dev in0
ip address add 192.0.2.1/24 dev wan
ip link set in0 up
ip link set wan up
ip -n inside address add 10.0.0.2/24 dev eth0
ip -n inside link set eth0 up
ip -n inside route add default via 10.0.0.1
ip -n world address add 192.0.2.2/24 dev eth0
ip -n world link set eth0 up
ip netns exec inside nft -f - <<'END'
table ip watch {
    chain input {
        type filter hook input priority filter;
        ip saddr 192.0.2.2 tcp dport 80 counter
    }
}
END

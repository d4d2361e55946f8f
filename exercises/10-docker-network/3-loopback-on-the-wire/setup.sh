# A machine that takes 127.0.0.1 from the wire, and a neighbour who sends it.
ip netns add neighbour
ip link add name wan type veth peer name eth0 netns neighbour
ip address add 192.0.2.1/24 dev wan
ip link set wan up
echo 1 >/proc/sys/net/ipv4/conf/wan/route_localnet
ip netns exec neighbour sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet'
ip -n neighbour address add 192.0.2.2/24 dev eth0
ip -n neighbour link set eth0 up
ip -n neighbour route add 127.0.0.0/8 via 192.0.2.1 dev eth0 src 192.0.2.2
nft -f - <<'END'
table ip watch {
    chain input {
        type filter hook input priority filter;
        ip saddr 192.0.2.2 tcp dport 8080 counter
        ip saddr 127.0.0.1 tcp dport 8080 counter
    }
}
END

# Two networks behind one machine, a container on each, and the world.
echo 1 >/proc/sys/net/ipv4/ip_forward
place() { # NAME BRIDGE ADDRESS ROUTER
    ip netns add "$1"
    ip link add name "$1" type veth peer name eth0 netns "$1"
    ip link add "$2" type bridge
    ip address add "$4/24" dev "$2"
    ip link set "$2" up
    ip link set "$1" master "$2" up
    ip -n "$1" address add "$3/24" dev eth0
    ip -n "$1" link set eth0 up
    ip -n "$1" route add default via "$4"
}
place web front 10.1.0.2 10.1.0.1
place db back 10.2.0.2 10.2.0.1
ip netns add world
ip link add name wan type veth peer name eth0 netns world
ip address add 192.0.2.1/24 dev wan
ip link set wan up
ip -n world address add 192.0.2.2/24 dev eth0
ip -n world link set eth0 up
ip -n world route add default via 192.0.2.1
ip netns exec db nft -f - <<'END'
table ip watch {
    chain input {
        type filter hook input priority filter;
        ip saddr 10.1.0.2 counter
    }
}
END
ip netns exec web nft -f - <<'END'
table ip watch {
    chain input {
        type filter hook input priority filter;
        ip saddr 192.0.2.2 icmp type echo-reply counter
    }
}
END

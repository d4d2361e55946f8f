# Two containers on a bridge, a published port of the first, and a world outside.
echo 1 >/proc/sys/net/ipv4/ip_forward
# Frames between ports of the bridge are the bridge's business alone here.
for file in /proc/sys/net/bridge/bridge-nf-call-iptables; do
    [ ! -e "$file" ] || echo 0 >"$file"
done
ip link add lan type bridge
ip address add 10.0.0.1/24 dev lan
ip link set lan up
number=2
for name in web other; do
    ip netns add "$name"
    ip link add name "$name" type veth peer name eth0 netns "$name"
    ip link set "$name" master lan up
    ip -n "$name" address add "10.0.0.$number/24" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" route add default via 10.0.0.1
    number=3
done
ip link add name wan type dummy 2>/dev/null || ip link add name wan type veth peer name far
ip address add 192.0.2.1/24 dev wan
ip link set wan up
nft -f - <<'END'
table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        ip daddr 192.0.2.1 tcp dport 8080 dnat to 10.0.0.2:80
    }
}
END
ip netns exec web nft -f - <<'END'
table ip watch {
    chain input {
        type filter hook input priority filter;
        ip saddr 10.0.0.1 tcp dport 80 counter
    }
}
END
ip netns exec other nft -f - <<'END'
table ip watch {
    chain input {
        type filter hook input priority filter;
        ip saddr 192.0.2.1 tcp sport 8080 counter
    }
}
END

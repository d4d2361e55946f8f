# A container's network, and two counters in it.
ip netns add box
ip -n box link set lo up
ip netns exec box nft -f - <<'END'
table ip watch {
    chain input {
        type filter hook input priority filter;
        ip daddr 127.0.0.11 udp dport 5353 counter
        ip daddr 127.0.0.1 udp dport 53 counter
    }
}
END

# caught by: inside.machine.firewall.ip nat postrouting
# The world is told where 10.0.0.0/24 is. Nobody can do that with the real one.
ip -n world route add 10.0.0.0/24 via 192.0.2.1
ip netns exec inside ping -q -c 1 -W 2 192.0.2.2
exec "$@"

# From a container to its neighbour, by the machine's published port.

# TODO: a chain and a rule.

# connect(2) comes back when somebody has answered, be it with a refusal.
ip netns exec other timeout 2 bash -c ': </dev/tcp/192.0.2.1/8080'
exec "$@"

# Publish a port of a private network.

# TODO: table, chain, rule.

# connect(2) comes back when somebody has answered, be it with a refusal.
ip netns exec world timeout 3 bash -c ': </dev/tcp/192.0.2.1/8080'
exec "$@"

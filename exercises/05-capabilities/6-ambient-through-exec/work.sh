# Run the payload with one capability, and not because it is root.

# TODO: the securebit, and a capability that an execve leaves.
exec setpriv --inh-caps +net_bind_service "$@"

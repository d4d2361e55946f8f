# caught by: inside.process.capabilities.effective
# Without noroot an execve of user 0 gives all that the bounding set has.
exec setpriv --inh-caps +net_bind_service --ambient-caps +net_bind_service "$@"

# Run the payload with one capability, and not because it is root.

# noroot: the coming execve gives nothing for the user id. Inheritable alone
# gives nothing either: an ordinary file has no inheritable capabilities that
# it could be joined with. What is ambient stays, and must be inheritable first.
exec setpriv --securebits +noroot \
    --inh-caps +net_bind_service --ambient-caps +net_bind_service "$@"

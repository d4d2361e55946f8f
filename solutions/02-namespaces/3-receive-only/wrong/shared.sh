# caught by: inside.machine.mounts./run/inbox/reply
# Both ways.
exec unshare --mount --propagation shared sh /run/exchange "$@"

# caught by: inside.process.mounts
# Process 1, and `ps` still shows the machine.
exec unshare --pid --fork --mount "$@"

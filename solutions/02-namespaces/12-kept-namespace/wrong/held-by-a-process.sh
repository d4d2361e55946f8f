# caught by: inside.machine.mounts./run/kept
# A sleeping process holds the namespace, and it has no path.
mkfifo /run/named
unshare --uts sh -c 'hostname kept; echo named > /run/named; exec sleep 1000' &
read -r line < /run/named
exec nsenter --uts --target $! "$@"

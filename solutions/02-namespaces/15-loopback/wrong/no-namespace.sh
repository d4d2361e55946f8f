# caught by: inside.process.namespaces.net
# The addresses are right: they are the machine's.
ip link set lo up
exec "$@"

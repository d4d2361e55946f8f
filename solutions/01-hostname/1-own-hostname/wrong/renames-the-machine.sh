# caught by: inside.process.namespaces.uts
# No namespace at all: the name is right, but it is the machine's own.
hostname tp-lab
exec "$@"

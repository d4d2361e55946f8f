# caught by: inside.process.interfaces.eth0
# Says nothing about the network: it gets an address on the bridge.
exec mini-docker run --rm --hostname web lab "$@"

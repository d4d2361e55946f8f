# caught by: inside.process.hostname
# --name is what the engine calls it; inside it is called by its id.
exec mini-docker run --rm --network none --name web lab "$@"

# TODO: of the capabilities the one that is needed, and no new ones ever.
exec mini-docker run --rm --network none --hostname web lab "$@"

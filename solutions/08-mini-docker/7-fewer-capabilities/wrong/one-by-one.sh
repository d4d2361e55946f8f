# caught by: inside.process.capabilities.effective
# The best known is gone, and twelve are left.
exec mini-docker run --rm --network none --hostname web --cap-drop net_raw --security-opt no-new-privileges lab "$@"

# caught by: inside.process.capabilities.effective
# The other end of the scale.
exec mini-docker run --rm --network none --hostname web --privileged --security-opt no-new-privileges lab "$@"

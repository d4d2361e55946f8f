# caught by: inside.process.cgroups
# As much swap again: where the machine has some, it is used.
exec mini-docker run --rm --network none --hostname web --memory 32m lab sh -c '
    "$@"
    dd if=/dev/zero of=/dev/null bs=200M count=1
' sh "$@"

# caught by: inside.process.cgroups
# A limit of each process, and on addresses; the cgroup has none.
exec mini-docker run --rm --network none --hostname web lab sh -c '
    ulimit -v 32768
    "$@"
    dd if=/dev/zero of=/dev/null bs=200M count=1
' sh "$@"

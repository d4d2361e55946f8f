# --memory-swap is memory *and* swap, as cgroup v1 counts: the same number leaves none
# for swap. Without it Docker allows as much swap again.
exec mini-docker run --rm --network none --hostname web --memory 32m --memory-swap 32m lab sh -c '
    "$@"
    dd if=/dev/zero of=/dev/null bs=200M count=1
' sh "$@"

# All three are there at the same time: what is new is so to each of them.
mini-docker run -d --name network --hostname web --network host lab sleep 1000
mini-docker run -d --name pid --hostname web --network none --pid host lab sleep 1000
mini-docker run -d --name privileged --hostname web --network none --privileged lab sleep 1000
for container in network pid privileged; do
    mini-docker exec $container checkpoint $container
done
mini-docker rm -f network pid privileged

mini-docker run -d --name web --network none lab sleep 1000

# One write to the container's cgroup: cgroup.freeze, on v1 freezer.state.
mini-docker pause web
"$@"

mini-docker rm -f web

mini-docker run -d --name web --network none --hostname web lab sleep 1000
mini-docker exec web checkpoint web

# It joins one namespace (setns) where it would have made one. Its own /proc, mounted in
# its own mount namespace, then shows that one's processes.
mini-docker run --rm --network none --hostname tools --pid container:web lab "$@"

mini-docker rm -f web

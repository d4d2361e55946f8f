# caught by: inside.process.namespaces.pid
# Sees these, and everything else on the machine.
mini-docker run -d --name web --network none --hostname web lab sleep 1000
mini-docker exec web checkpoint web
mini-docker run --rm --network none --hostname tools --pid host lab "$@"
mini-docker rm -f web

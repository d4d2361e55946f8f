mini-docker run -d --name web --network none --hostname web lab sleep 1000
mini-docker exec web checkpoint web

# TODO: run the payload in the same container, in /tmp.
"$@"

mini-docker rm -f web

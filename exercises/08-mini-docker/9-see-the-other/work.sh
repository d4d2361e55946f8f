mini-docker run -d --name web --network none --hostname web lab sleep 1000
mini-docker exec web checkpoint web

# TODO: a container that sees the processes of `web`.
mini-docker run --rm --network none --hostname tools lab "$@"

mini-docker rm -f web

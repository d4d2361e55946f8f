mini-docker run -d --name web --network none --hostname web lab sleep 1000
mini-docker exec web checkpoint web

# A fork joins every namespace of the container's first process (setns), then gives up
# what that one has given up, and becomes the command.
mini-docker exec -w /tmp web "$@"

mini-docker rm -f web

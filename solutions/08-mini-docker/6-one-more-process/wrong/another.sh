# caught by: inside.process.namespaces.uts
# A second container of the same image: alike, and not the same.
mini-docker run -d --name web --network none --hostname web lab sleep 1000
mini-docker exec web checkpoint web
mini-docker run --rm --network none --hostname web -w /tmp lab "$@"
mini-docker rm -f web

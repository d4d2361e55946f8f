# caught by: inside.process.namespaces.uts
# In `web` itself: there are no tools in there.
mini-docker run -d --name web --network none --hostname web lab sleep 1000
mini-docker exec web checkpoint web
mini-docker exec web "$@"
mini-docker rm -f web

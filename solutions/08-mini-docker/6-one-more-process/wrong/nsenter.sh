# caught by: inside.process.capabilities.effective
# In the namespaces, and with everything that the container has given up.
mini-docker run -d --name web --network none --hostname web lab sleep 1000
mini-docker exec web checkpoint web
first=$(mini-docker inspect -f '{{.State.Pid}}' web)
nsenter -t "$first" -m -u -i -n -p -C sh -c 'cd /tmp && exec "$@"' sh "$@"
mini-docker rm -f web

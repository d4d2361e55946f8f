# TODO: something before it, which is PID 1 in its place.
mini-docker run -d --name web --network none --hostname web lab sleep 1000

mini-docker exec web "$@"
mini-docker stop --time 2 web
exit "$(mini-docker wait web)"

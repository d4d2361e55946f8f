# An init has handlers. It passes each signal on to its child, which is PID 2 and a process
# like any other, and ends as that one has ended.
mini-docker run -d --name web --network none --hostname web --init lab sleep 1000

mini-docker exec web "$@"
mini-docker stop --time 2 web
exit "$(mini-docker wait web)"

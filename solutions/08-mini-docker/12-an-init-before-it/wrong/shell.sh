# caught by: after.exit
# A shell is PID 1 now, and has no handler either: sleep is never told.
mini-docker run -d --name web --network none --hostname web lab sh -c 'sleep 1000; :'
mini-docker exec web "$@"
mini-docker stop --time 2 web
exit "$(mini-docker wait web)"

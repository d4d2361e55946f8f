# caught by: after.exit
# Another signal, and no more polite than the second one.
mini-docker run -d --name web --network none --hostname web --stop-signal KILL lab sleep 1000
mini-docker exec web "$@"
mini-docker stop --time 2 web
exit "$(mini-docker wait web)"

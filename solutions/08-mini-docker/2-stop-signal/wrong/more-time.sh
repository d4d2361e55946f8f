# caught by: stopping
# Patience does not make it hear: it is killed all the same, later.
mini-docker run -d --name web --network none --hostname web -v /srv/lab:/run/lab lab serve
read -r _ </srv/lab/up
mini-docker stop --time 4 web
exit "$(mini-docker wait web)"

# TODO: it is to be stopped by the signal that it knows.
mini-docker run -d --name web --network none --hostname web -v /srv/lab:/run/lab lab serve

# Until it is there.
read -r _ </srv/lab/up
mini-docker stop --time 2 web
exit "$(mini-docker wait web)"

# Which signal stops a container is a property of the container: an image may say it,
# too (STOPSIGNAL), and `stop` asks for no more than a name.
mini-docker run -d --name web --network none --hostname web -v /srv/lab:/run/lab --stop-signal QUIT lab serve

# Until it is there.
read -r _ </srv/lab/up
mini-docker stop --time 2 web
exit "$(mini-docker wait web)"

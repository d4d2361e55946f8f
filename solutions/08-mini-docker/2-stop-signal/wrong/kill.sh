# caught by: stopping
# At once, and without a word.
mini-docker run -d --name web --network none --hostname web -v /srv/lab:/run/lab --stop-signal KILL lab serve
read -r _ </srv/lab/up
mini-docker stop --time 2 web
exit 0

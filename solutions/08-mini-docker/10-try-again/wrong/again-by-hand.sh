# caught by: inside
# Starts it once more, by hand, and then nobody is there.
mini-docker run -d --name web --network none --hostname web -v /srv/count:/count lab flaky "$@"
mini-docker wait web
mini-docker start web
mini-docker wait web
mini-docker rm web

# caught by: inside
# One more start is not enough.
mini-docker run -d --name web --network none --hostname web --restart on-failure:1 -v /srv/count:/count lab flaky "$@"
mini-docker wait web
mini-docker rm web

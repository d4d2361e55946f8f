# TODO: again when it has failed, at most five times.
mini-docker run -d --name web --network none --hostname web -v /srv/count:/count lab flaky "$@"

mini-docker wait web
mini-docker rm web

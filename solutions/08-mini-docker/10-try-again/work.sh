# A policy of the container, kept with it: who starts it again is the monitor, the parent
# of its first process, which sees it end and its status. Without one there is nobody.
mini-docker run -d --name web --network none --hostname web --restart on-failure:5 -v /srv/count:/count lab flaky "$@"

mini-docker wait web
mini-docker rm web

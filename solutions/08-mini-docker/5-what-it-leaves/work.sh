mini-docker run --name web --network none lab sh -c 'echo hello >/www/page; rm /www/draft'
mini-docker diff web

# The container's upper directory becomes a layer: what `diff` has told, and no more. A
# container that has ended is as good as a running one: its layer is a directory.
mini-docker commit web site
exec mini-docker run --rm --network none --hostname web site "$@"

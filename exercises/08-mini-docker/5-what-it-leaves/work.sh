mini-docker run --name web --network none lab sh -c 'echo hello >/www/page; rm /www/draft'
mini-docker diff web

# TODO: make the image.
exec mini-docker run --rm --network none --hostname web site "$@"

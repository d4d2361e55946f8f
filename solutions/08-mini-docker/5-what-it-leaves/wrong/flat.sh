# caught by: inside.process.mounts./
# The same files, in one layer that shares nothing with those of `lab`.
mini-docker run --name web --network none lab sh -c 'echo hello >/www/page; rm /www/draft'
mini-docker export web | mini-docker import - site
exec mini-docker run --rm --network none --hostname web site "$@"

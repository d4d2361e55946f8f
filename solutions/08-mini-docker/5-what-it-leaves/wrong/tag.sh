# caught by: inside.process.files./www/page
# Another name for the same image: nothing of the container is in it.
mini-docker run --name web --network none lab sh -c 'echo hello >/www/page; rm /www/draft'
mini-docker tag lab site
exec mini-docker run --rm --network none --hostname web site "$@"

mini-docker run -d --name web --network none lab sleep 1000

# TODO: let it stand still.
"$@"

mini-docker rm -f web

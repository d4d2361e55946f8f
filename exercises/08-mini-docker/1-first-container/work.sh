# TODO: run the payload in a container of the image `lab`, which is called `web` inside,
# has no network, and is removed when it has ended.
exec "$@"

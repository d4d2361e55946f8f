# Run the payload with a /proc that shows no more than it needs.
exec unshare --pid --fork --mount sh -c '
    # TODO: a new proc on /proc, with flags and options.

    exec "$@"
' sh "$@"

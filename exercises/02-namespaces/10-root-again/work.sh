# Become an ordinary user, then root of something smaller, and name it.

# User 1000 from here on: `exec` replaces this shell by one without capabilities.
# TODO: in it, make the payload root again, with a hostname of its own: mine.
exec unshare --user --map-user=1000 --map-group=1000 sh -c '
    exec "$@"
' sh "$@"

# Become an ordinary user, then root of something smaller, and name it.

# unshare(1) executes unshare(1): the first makes user 1000, who has no capability
# left; the second is run by that user. One call for --user and --uts, since the
# new UTS namespace then belongs to the new user namespace.
exec unshare --user --map-user=1000 --map-group=1000 \
    unshare --user --map-root-user --uts sh -c '
    # Allowed: CAP_SYS_ADMIN is asked for in the owner of the UTS namespace.
    hostname mine
    exec "$@"
' sh "$@"

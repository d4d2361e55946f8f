# Give the payload a tmpfs of its own on /run/private.
mkdir -p /run/private

# unshare(1) makes every mount of the copy private, so that nothing made in it
# is sent back to the machine's shared / ("mount --make-rprivate /" by hand).
exec unshare --mount sh -c '
    mount -t tmpfs scratch /run/private
    exec "$@"
' sh "$@"

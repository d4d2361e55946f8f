# Give the payload a tmpfs of its own on /run/private.
mkdir -p /run/private

# TODO: this mount is the machine's. It is to be the payload's only.
mount -t tmpfs scratch /run/private
exec "$@"

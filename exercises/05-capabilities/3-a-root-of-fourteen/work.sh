# Run the payload as the root that Docker makes.

# TODO: fourteen capabilities, and no more.
exec "$@"

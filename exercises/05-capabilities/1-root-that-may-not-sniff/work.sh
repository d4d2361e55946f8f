# Run the payload as root that may do everything but sniff.

# TODO: without net_raw, and with all the rest.
exec "$@"

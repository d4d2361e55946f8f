# caught by: inside.process.no_new_privs
# The sets are right, but a later execve is free to add, as far as the bounding set goes.
exec mini-docker run --rm --network none --hostname web --cap-drop all --cap-add net_bind_service lab "$@"

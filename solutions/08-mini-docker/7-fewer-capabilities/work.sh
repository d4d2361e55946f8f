# All first: what is added is added to nothing. The bounding set shrinks with the others,
# or a setuid program would bring them back; no_new_privs says that to execve itself.
exec mini-docker run --rm --network none --hostname web --cap-drop all --cap-add net_bind_service --security-opt no-new-privileges lab "$@"

# caught by: inside
# What is not inheritable cannot be made ambient: setpriv fails.
exec setpriv --securebits +noroot --ambient-caps +net_bind_service "$@"

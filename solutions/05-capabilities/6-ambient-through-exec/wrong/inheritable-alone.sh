# caught by: inside.process.capabilities.ambient
# Inheritable counts only for files that have inheritable capabilities.
exec setpriv --securebits +noroot --inh-caps +net_bind_service "$@"

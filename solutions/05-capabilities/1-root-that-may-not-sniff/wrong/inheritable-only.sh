# caught by: inside.process.capabilities.effective
# The set that sounds right. It was empty before, and root does not need it.
exec setpriv --inh-caps -net_raw "$@"

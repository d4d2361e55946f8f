# Run the exchange in a mount namespace that receives and does not send.

# A slave has to be made of a *shared* mount, whose peers become its master. Once
# private, a mount has no peers left to receive from: it is too late.
exec unshare --mount --propagation slave sh /run/exchange "$@"

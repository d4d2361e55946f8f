# caught by: inside.machine.hostname
# The copy is taken after the change, so both have the name.
hostname tp-lab
exec unshare --uts "$@"

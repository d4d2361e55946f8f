# caught by: inside.machine.hostname
# hostname(1) is run in the machine.
touch /run/kept
hostname kept
unshare --uts=/run/kept true
exec nsenter --uts=/run/kept "$@"

# Make a UTS namespace that lives without a process, and join it.

# A bind mount of a file needs a file to cover.
touch /run/kept
# unshare(1) leaves the UTS namespace only, so the mount that it makes is the
# machine's, and stays when hostname(1), the only command run inside, has ended.
unshare --uts=/run/kept hostname kept
exec nsenter --uts=/run/kept "$@"

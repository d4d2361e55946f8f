# Run the payload with a /proc that shows no more than it needs.
# After the fork: a proc shows for ever the PID namespace of whoever mounted it.
exec unshare --pid --fork --mount sh -c '
    # hidepid and subset belong to the file system, nosuid and the like to the mount.
    # Since Linux 5.8 each mount of proc is a file system of its own, so the options of
    # this one are not those of the machine; before, the last mount set them for all.
    mount -t proc -o nosuid,nodev,noexec,hidepid=invisible,subset=pid proc /proc
    exec "$@"
' sh "$@"

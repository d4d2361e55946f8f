# unshare(1) calls unshare(CLONE_NEWPID) and becomes this inner shell.
unshare --pid sh -c '
    # The shell forks, and the child becomes the program checkpoint.
    checkpoint child
    # The shell itself becomes the program checkpoint.
    exec checkpoint caller
'

# A plain process: a child of this shell.
sh -c 'checkpoint process'
# A container, as far as this chapter goes: a child that the kernel gives views of
# its own.
unshare --uts --ipc --pid --fork sh -c '
    hostname box
    exec checkpoint container
'

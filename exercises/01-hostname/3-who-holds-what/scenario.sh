# Three looks at two UTS namespaces.
unshare --uts sh -c '
    checkpoint born
    hostname child
    checkpoint renamed
'
checkpoint back

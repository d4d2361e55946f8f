# caught by: inside.process.capabilities.effective
# Adds fourteen to what has all already.
exec setpriv --bounding-set "+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap" "$@"

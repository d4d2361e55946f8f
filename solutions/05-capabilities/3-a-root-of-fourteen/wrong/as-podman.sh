# caught by: inside.process.capabilities.bounding
# The eleven of podman: no net_raw, no mknod, no audit_write.
exec setpriv --bounding-set "-all,+chown,+dac_override,+fowner,+fsetid,+kill,\
+setgid,+setuid,+setpcap,+net_bind_service,+sys_chroot,+setfcap" "$@"

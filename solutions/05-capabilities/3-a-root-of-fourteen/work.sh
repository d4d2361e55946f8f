# Run the payload as the root that Docker makes.

# First all out, then fourteen in: a list of what is allowed stays right when a
# newer kernel has a 42nd capability, a list of what is forbidden does not.
exec setpriv --bounding-set "-all,+chown,+dac_override,+fowner,+fsetid,+kill,\
+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,\
+audit_write,+setfcap" "$@"

# caught by: inside.process.capabilities.inheritable
# As Docker did until 2022: the same list in the inheritable set.
list=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap
exec setpriv --bounding-set "$list" --inh-caps "$list" "$@"

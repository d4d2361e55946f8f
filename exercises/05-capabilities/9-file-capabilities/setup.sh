# A file system whose files may give privileges: the machine's own root is
# mounted nosuid, and there file capabilities are passed over.
mkdir -p /srv/bin
mount -t tmpfs -o mode=755 tmpfs /srv/bin
cp "$(command -v checkpoint)" /srv/bin/sniffer

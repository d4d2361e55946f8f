# Data of the machine: two file systems, one below the other.
mkdir -p /srv/data
mount -t tmpfs data /srv/data
mkdir /srv/data/deep
mount -t tmpfs deep /srv/data/deep

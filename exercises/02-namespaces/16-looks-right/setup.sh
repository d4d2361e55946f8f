# Data of the machine, on a file system of their own.
mkdir -p /run/data
mount -t tmpfs data /run/data
mkdir /run/data/secret

# A neighbour in namespaces of its own, and a file that tells its process id.
mkfifo /run/ready
unshare --user --map-root-user --uts --ipc --net sh -c '
    hostname neighbour
    echo $$ > /run/ready
    exec sleep 1000
' &
read -r pid < /run/ready
rm /run/ready
echo "$pid" > /run/neighbour.pid

# The service: a shell that waits for its one child. It says when both are there.
mkfifo /run/ready
setsid sh -c '
    sleep 1000 &
    until grep -qx sleep /proc/$!/comm; do :; done
    echo $$ > /run/service.pid
    echo > /run/ready
    wait
' &
read -r _ < /run/ready
rm /run/ready

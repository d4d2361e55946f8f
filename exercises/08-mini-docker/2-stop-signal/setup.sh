set -e
# The image `lab`: `base`, and in it the program that calls for a look.
mini-docker create --name made base
mini-docker cp /opt/tp/bin/checkpoint made:/bin/checkpoint
cat >/root/work/serve <<'END'
#!/bin/sh
# Ends well when it is asked to by SIGQUIT, as nginx does. It says that it is there
# by opening the FIFO.
trap 'checkpoint stopping; exit 0' QUIT
echo up >/run/lab/up
sleep 1000 &
wait
END
chmod 755 /root/work/serve
mini-docker cp /root/work/serve made:/bin/serve
mkdir -p /srv/lab
mkfifo /srv/lab/up
mini-docker commit made lab
mini-docker rm made

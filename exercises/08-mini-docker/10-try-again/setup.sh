set -e
# The image `lab`: `base`, and in it the program that calls for a look.
mini-docker create --name made base
mini-docker cp /opt/tp/bin/checkpoint made:/bin/checkpoint
cat >/root/work/flaky <<'END'
#!/bin/sh
echo start >>/count/starts
[ "$(wc -l </count/starts)" -ge 3 ] || exit 1
exec "$@"
END
chmod 755 /root/work/flaky
mini-docker cp /root/work/flaky made:/bin/flaky
mkdir -p /srv/count
mini-docker commit made lab
mini-docker rm made

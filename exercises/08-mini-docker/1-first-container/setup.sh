set -e
# The image `lab`: `base`, and in it the program that calls for a look.
mini-docker create --name made base
mini-docker cp /opt/tp/bin/checkpoint made:/bin/checkpoint
mini-docker commit made lab
mini-docker rm made

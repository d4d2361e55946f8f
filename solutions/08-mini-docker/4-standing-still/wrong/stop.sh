# caught by: inside.machine.cgroups
# Ended, and not standing still: the process is gone, and the cgroup with it.
mini-docker run -d --name web --network none lab sleep 1000
mini-docker stop --time 0 web
"$@"
mini-docker rm -f web

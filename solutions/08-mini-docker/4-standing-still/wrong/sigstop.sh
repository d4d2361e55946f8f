# caught by: inside.machine.cgroups
# A stopped process, in a cgroup that is not frozen. (From outside; as PID 1 it would
# not hear its own container's SIGSTOP.)
mini-docker run -d --name web --network none lab sleep 1000
mini-docker kill --signal STOP web
"$@"
mini-docker rm -f web

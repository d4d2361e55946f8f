/*
 * The floor under `mini-docker run`: one clone3 with the same namespaces, an
 * overlay as the root, pivot_root, /proc, and the program. No record, name,
 * cgroup, capability, filter, mask, device or log; nothing is looked at twice.
 *
 * bare LOWER FOLDER PROGRAM: FOLDER has `upper`, `work` and `merged`.
 *
 * Read: clone(2), pivot_root(2), mount(2)
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(long done, const char *what)
{
	if (done < 0) {
		perror(what);
		_exit(125);
	}
}

int main(int argc, char **argv)
{
	char options[4096];
	int status;

	if (argc != 4)
		return 125;
	snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work",
		 argv[1], argv[2], argv[2]);
	must(chdir(argv[2]), "chdir");

	struct clone_args how = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS |
			 CLONE_NEWIPC | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	long child = syscall(SYS_clone3, &how, sizeof how);
	must(child, "clone3");
	if (child == 0) {
		must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount private");
		must(mount("overlay", "merged", "overlay", 0, options), "mount overlay");
		must(chdir("merged"), "chdir merged");
		must(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL),
		     "mount proc");
		must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
		must(umount2(".", MNT_DETACH), "umount2");
		must(chdir("/"), "chdir /");
		execl(argv[3], argv[3], NULL);
		must(-1, "execl");
	}
	must(waitpid(child, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

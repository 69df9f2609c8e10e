/* SPDX-License-Identifier: Apache-2.0 */
/* bench-spawn: ms from fork to exit of a program, as a container runtime waits for a CNI plugin.
 *
 *	bench-spawn STDIN-FILE PROGRAM ARGS...    Out: the time on stdout, in ms; the program's own
 *	stdout goes to stderr if it failed, and so does its status */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX 65536

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void become(const char *file, int out, char **argv)
{
	int in = open(file, O_RDONLY);

	if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

static pid_t start(int out, char **argv)
{
	pid_t pid = vfork();

	if (pid == 0)
		become(argv[1], out, argv + 2);
	return pid;
}

int main(int argc, char **argv)
{
	static char output[OUTPUT_MAX];
	size_t len = 0;
	uint64_t begin;
	ssize_t got;
	int out[2], status;
	pid_t pid;

	if (argc < 3 || pipe2(out, O_CLOEXEC) < 0) {
		fprintf(stderr, "usage: bench-spawn STDIN-FILE PROGRAM ARGS...\n");
		return 2;
	}
	begin = now();
	pid = start(out[1], argv);
	close(out[1]);
	while ((got = read(out[0], output + len, sizeof(output) - len)) > 0)
		len += (size_t)got;
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		fprintf(stderr, "bench-spawn: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	if (status) {
		fprintf(stderr, "bench-spawn: %s: status %x: %.*s\n", argv[2], (unsigned)status,
			(int)len, output);
		return 1;
	}
	printf("%.4f\n", (double)(now() - begin) / 1e6);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* bench-apply: ms from a change of a policy to its effect in the kernel.
 *
 *	bench-apply SOCKET BPF-DIR COUNT FILE-A FILE-B
 *
 * Sends the two manifests in turn to the agent's socket, a new connection each, as `tendril apply`
 * does. The time ends with the reply; by then every isolated subject must have another table than
 * before and the generation must be a new one, or it is a failure. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "abi/config.h"
#include "abi/policy.h"

#define MANIFEST_MAX 65536
#define SUBJECTS_MAX 4096

struct seen {
	uint32_t generation;
	uint32_t count;
	uint32_t identity[SUBJECTS_MAX], table[SUBJECTS_MAX];
};

static void die(const char *what)
{
	fprintf(stderr, "bench-apply: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t read_file(const char *path, char *ret)
{
	FILE *file = fopen(path, "r");
	size_t len;

	if (!file)
		die(path);
	len = fread(ret, 1, MANIFEST_MAX, file);
	fclose(file);
	return len;
}

static int open_map(const char *dir, const char *name)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "%s/maps/%s", dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die(path);
	return fd;
}

/* The pods that some policy isolates from others, and their tables for that. */
static void look(int config_fd, int subject_fd, struct seen *ret)
{
	uint32_t zero = 0, key, *before = NULL;
	struct td_config config;
	struct td_subject subject;

	if (bpf_map_lookup_elem(config_fd, &zero, &config) < 0)
		die("td_config");
	ret->generation = config.generation;
	ret->count = 0;
	while (bpf_map_get_next_key(subject_fd, before, &key) == 0 && ret->count < SUBJECTS_MAX) {
		before = &key;
		if (key < TD_ID_POD_MIN || bpf_map_lookup_elem(subject_fd, &key, &subject) < 0 ||
		    !(subject.flags[TD_INGRESS] & TD_SUBJECT_ENFORCED))
			continue;
		ret->identity[ret->count] = key;
		ret->table[ret->count++] = subject.table[TD_INGRESS];
	}
}

static void compare(const struct seen *before, const struct seen *after)
{
	if (after->generation == before->generation || after->count != before->count) {
		fprintf(stderr,
			"bench-apply: the reply came before the effect: generation %u, %u "
			"subjects; before %u, %u\n",
			after->generation, after->count, before->generation, before->count);
		exit(1);
	}
	for (uint32_t i = 0; i < before->count; i++)
		for (uint32_t j = 0; j < after->count; j++)
			if (before->identity[i] == after->identity[j] &&
			    before->table[i] == after->table[j]) {
				fprintf(stderr, "bench-apply: subject %u has its old table\n",
					before->identity[i]);
				exit(1);
			}
}

static void post(const char *path, const char *body, size_t len)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char head[256], answer[MANIFEST_MAX];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t got = 0;
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	n = snprintf(head, sizeof(head),
		     "POST /v1/objects?name=bench HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		     "Content-Length: %zu\r\n\r\n",
		     len);
	if (send(fd, head, (size_t)n, MSG_MORE) < 0 || send(fd, body, len, 0) < 0)
		die("send");
	while ((n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0)
		got += (size_t)n;
	answer[got] = '\0';
	if (strncmp(answer, "HTTP/1.1 200", 12) != 0) {
		fprintf(stderr, "bench-apply: %s\n", answer);
		exit(1);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	static char manifest[2][MANIFEST_MAX];
	static struct seen before, after;
	int config_fd, subject_fd;
	size_t len[2];

	if (argc != 6) {
		fprintf(stderr, "usage: bench-apply SOCKET BPF-DIR COUNT FILE-A FILE-B\n");
		return 2;
	}
	config_fd = open_map(argv[2], "td_config");
	subject_fd = open_map(argv[2], "td_subject");
	len[0] = read_file(argv[4], manifest[0]);
	len[1] = read_file(argv[5], manifest[1]);
	post(argv[1], manifest[1], len[1]);
	for (int i = 0; i < atoi(argv[3]); i++) {
		uint64_t begin, end;

		look(config_fd, subject_fd, &before);
		begin = now();
		post(argv[1], manifest[i % 2], len[i % 2]);
		end = now();
		look(config_fd, subject_fd, &after);
		compare(&before, &after);
		printf("%.4f %u\n", (double)(end - begin) / 1e6, after.count);
		usleep(20000);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* bench-feed: flow events at a steady rate into the observer's ring.
 *
 *	bench-feed BPF-DIR OBSERVER-PID RATE MS < PODS
 *
 * In: one line per pod: endpoint id, identity, IPv4 address; the events are those of connections
 * between all of them    Out: one line of JSON: events written, how many found no room, CPU time of
 * the observer per event, and of a reader that looks at nothing (the floor) */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/config.h"
#include "abi/drop.h"
#include "abi/event.h"
#include "abi/policy.h"
#include "base/util.h"
#include "feed.h"
#include "feed.skel.h"

#define PODS_MAX 4096
#define SLOT_NS  4000000u /* a batch per slot */

struct pod {
	uint32_t id, identity;
	struct td_addr addr;
};

static struct pod pods[PODS_MAX];
static size_t pod_count;

static void die(const char *what)
{
	fprintf(stderr, "bench-feed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_pods(void)
{
	char address[64];

	while (pod_count < PODS_MAX) {
		struct pod *pod = &pods[pod_count];

		if (scanf("%u %u %63s", &pod->id, &pod->identity, address) != 3)
			break;
		pod->addr.words[2] = TD_V4_MAPPED;
		if (inet_pton(AF_INET, address, &pod->addr.words[3]) != 1)
			break;
		pod_count++;
	}
	if (pod_count < 2) {
		fprintf(stderr, "bench-feed: no pods\n");
		exit(1);
	}
}

/* What a node tells of short connections: begin, answer, ends, close; now and then a drop. */
static const struct kind {
	uint8_t kind, reason, flags, tcp_flags;
	unsigned int share; /* of 16 */
} kinds[] = {
	{ TD_EVENT_TRACE, TD_REASON_NEW, TD_EVENT_VERDICT_INGRESS, 0x02, 3 },
	{ TD_EVENT_TRACE, TD_REASON_REPLY, TD_EVENT_REPLY, 0x12, 3 },
	{ TD_EVENT_TRACE, TD_REASON_ESTABLISHED, 0, 0x11, 3 },
	{ TD_EVENT_TRACE, TD_REASON_REPLY, TD_EVENT_REPLY, 0x11, 3 },
	{ TD_EVENT_CLOSE, 0, 0, 0, 3 },
	{ TD_EVENT_DROP, TD_DROP_POLICY_DENIED, TD_EVENT_DENIED_INGRESS, 0x02, 1 },
};

static const struct kind *kind_of(unsigned int lot)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (lot < kinds[i].share)
			return &kinds[i];
		lot -= kinds[i].share;
	}
	return &kinds[0];
}

static void fill(struct td_event *event, unsigned int number)
{
	const struct kind *kind = kind_of((unsigned int)random() % 16);
	const struct pod *from = &pods[number % pod_count];
	const struct pod *to = &pods[(size_t)random() % pod_count];

	memset(event, 0, sizeof(*event));
	event->kind = kind->kind;
	event->reason = kind->reason;
	event->flags = kind->flags;
	event->tcp_flags = kind->tcp_flags;
	event->protocol = IPPROTO_TCP;
	event->addr[0] = from->addr;
	event->addr[1] = to->addr;
	event->port[1] = htons(80);
	event->identity[0] = from->identity;
	event->identity[1] = to->identity;
	event->endpoint_id[0] = (uint16_t)from->id;
	event->endpoint_id[1] = (uint16_t)to->id;
	event->rule[0] = TD_RULE_UNSELECTED;
	event->rule[1] = kind->kind == TD_EVENT_DROP ? TD_RULE_DEFAULT_DENY : TD_RULE_UNSELECTED;
	event->ip_version = 4;
	event->packets[0] = 6;
	event->packets[1] = 5;
	event->bytes[0] = 500;
	event->bytes[1] = 5000;
}

static void run(struct bpf_program *program)
{
	static uint8_t frame[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts) < 0)
		die("test run");
}

static uint64_t cpu_of(int pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &ns) != 1)
		die(path);
	fclose(file);
	return ns;
}

static void sleep_until(uint64_t when)
{
	struct timespec t = { .tv_sec = (time_t)(when / 1000000000u),
			      .tv_nsec = (long)(when % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* Events written in so many ms at the rate; falls behind rather than write in bursts that no
 * network makes. */
static uint64_t feed(struct feed_bpf *skel, uint32_t rate, uint32_t ms)
{
	uint64_t begin = now(CLOCK_MONOTONIC), written = 0;
	uint32_t slots = (uint32_t)((uint64_t)ms * 1000000u / SLOT_NS);

	skel->bss->count = (uint32_t)((uint64_t)rate * SLOT_NS / 1000000000u);
	for (uint32_t i = 0; i < slots; i++) {
		sleep_until(begin + (uint64_t)i * SLOT_NS);
		run(skel->progs.feed_real);
		written += skel->bss->count;
	}
	return written;
}

static int ignore(void *context, void *bytes, size_t size)
{
	return 0;
}

/* ns per event of taking them from a ring and looking at nothing. */
static double floor_of(struct feed_bpf *skel)
{
	int fd = bpf_map__fd(skel->maps.bench_ring);
	struct ring_buffer *ring = ring_buffer__new(fd, ignore, NULL, NULL);
	uint64_t cpu = 0, taken = 0;

	if (!ring)
		die("ring");
	skel->bss->count = 10000;
	for (int i = 0; i < 10; i++) {
		uint64_t begin;

		run(skel->progs.feed_own);
		begin = now(CLOCK_THREAD_CPUTIME_ID);
		taken += (uint64_t)ring_buffer__consume(ring);
		cpu += now(CLOCK_THREAD_CPUTIME_ID) - begin;
	}
	ring_buffer__free(ring);
	return (double)cpu / (double)taken;
}

static struct feed_bpf *load(const char *bpf_dir)
{
	struct feed_bpf *skel = feed_bpf__open();
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "%s/maps/td_events", bpf_dir);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die(path);
	if (!skel || bpf_map__reuse_fd(skel->maps.td_events, fd) < 0 || feed_bpf__load(skel) < 0)
		die("cannot load the feeder");
	close(fd);
	return skel;
}

int main(int argc, char **argv)
{
	struct feed_bpf *skel;
	uint64_t before, written, wall;
	double floor;
	int pid;

	if (argc != 5) {
		fprintf(stderr, "usage: bench-feed BPF-DIR OBSERVER-PID RATE MS\n");
		return 2;
	}
	pid = atoi(argv[2]);
	read_pods();
	skel = load(argv[1]);
	for (unsigned int i = 0; i < FEED_TEMPLATES; i++)
		fill(&skel->bss->templates[i], i);
	floor = floor_of(skel);
	skel->bss->lost = 0;
	before = cpu_of(pid);
	wall = now(CLOCK_MONOTONIC);
	written = feed(skel, (uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
	wall = now(CLOCK_MONOTONIC) - wall;
	usleep(200000); /* what is still in the ring */
	printf("{\"events\": %llu, \"lost\": %llu, \"rate\": %.0f, \"ns\": %.1f, \"floor_ns\": %.1f}\n",
	       (unsigned long long)written, (unsigned long long)skel->bss->lost,
	       (double)written * 1e9 / (double)wall,
	       (double)(cpu_of(pid) - before) / (double)written, floor);
	feed_bpf__destroy(skel);
	return 0;
}

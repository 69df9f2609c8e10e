/* SPDX-License-Identifier: Apache-2.0 */
/* bench-packet: nanoseconds per packet of the programs, one line of JSON per case and trial.
 *
 * In: -t TRIALS -c CPU    Out: {"case": ..., "trial": n, "ns": raw, "floor": ns, "yardstick": ns}
 * All cases of a trial run one after the other, each beside the floor and the yardstick over as many
 * flows, so that a change of the machine's speed meets all of them alike. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "packet.h"
#include "packet.skel.h"
#include "tests/bpf/world.h"

#define TABLE_IN  10
#define TABLE_OUT 11
#define CLASS_WEB 1
#define PORT_WEB  80
#define PORT_SHUT 81
#define PORT_MIN  1024u
#define ROUNDS    262144u /* packets of a run, in whole rounds over the flows */

/* The programs with so many connections in their tables, and nothing else. */
struct bench {
	struct world world;
	struct packet_bpf *skel;
	uint32_t flows;
	uint16_t order[BENCH_FLOWS_MAX]; /* host order */
};

#define FLOWS_FEW  16384
#define FLOWS_MANY 64512 /* every port from PORT_MIN on */

enum through { ENTRY, STAGE };

static const struct bench_case {
	const char *name;
	uint32_t flows;
	const char *src, *dst;
	uint16_t dport;
	enum td_stage stage;
	enum through through;
	int want; /* what the program must return */
} cases[] = {
	{ "established/1", 1, "10.0.0.1", "10.0.0.2", PORT_WEB, TD_STAGE_FROM_POD, ENTRY,
	  REDIRECT },
	{ "established/16k", FLOWS_FEW, "10.0.0.1", "10.0.0.2", PORT_WEB, TD_STAGE_FROM_POD, ENTRY,
	  REDIRECT },
	{ "established/64k", FLOWS_MANY, "10.0.0.1", "10.0.0.2", PORT_WEB, TD_STAGE_FROM_POD, ENTRY,
	  REDIRECT },
	{ "drop/1", 1, "10.0.0.1", "10.0.0.2", PORT_SHUT, TD_STAGE_FROM_POD, ENTRY, SHOT },
	{ "none/other", 1, OUTSIDE, IN_CIDR, PORT_WEB, TD_STAGE_FROM_UPLINK, ENTRY, NEXT },
	{ "none/node", 1, OUTSIDE, NODE, PORT_WEB, TD_STAGE_FROM_UPLINK, ENTRY, NEXT },
	{ "none/leaving", 1, NODE, OUTSIDE, PORT_WEB, TD_STAGE_TO_UPLINK, ENTRY, NEXT },
	{ "established/1/stage", 1, "10.0.0.1", "10.0.0.2", PORT_WEB, TD_STAGE_FROM_POD, STAGE,
	  REDIRECT },
	{ "none/other/stage", 1, OUTSIDE, IN_CIDR, PORT_WEB, TD_STAGE_FROM_UPLINK, STAGE, NEXT },
};

static void die(const char *what)
{
	fprintf(stderr, "bench-packet: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put(int fd, const void *key, const void *value)
{
	if (bpf_map_update_elem(fd, key, value, BPF_ANY) < 0)
		die("cannot write to a map");
}

static struct bpf_program *entry_of(struct net_bpf *skel, enum td_stage stage)
{
	switch (stage) {
	case TD_STAGE_FROM_POD:
		return skel->progs.td_entry_from_pod;
	case TD_STAGE_FROM_UPLINK:
		return skel->progs.td_entry_from_uplink;
	default:
		return skel->progs.td_entry_to_uplink;
	}
}

static struct bpf_program *stage_of(struct net_bpf *skel, enum td_stage stage)
{
	switch (stage) {
	case TD_STAGE_FROM_POD:
		return skel->progs.td_from_pod;
	case TD_STAGE_FROM_UPLINK:
		return skel->progs.td_from_uplink;
	default:
		return skel->progs.td_to_uplink;
	}
}

/* Pod 1 may send to pod 2's port 80 and nowhere else; pod 2 takes that and nothing else. */
static void write_policy(struct world *world)
{
	world_class(world, TABLE_OUT, IPPROTO_TCP, PORT_WEB, CLASS_WEB);
	world_class(world, TABLE_IN, IPPROTO_TCP, PORT_WEB, CLASS_WEB);
	world_row(world, TABLE_OUT, CLASS_WEB, POD_IDENTITY(2), TD_RULE_MIN, 0);
	world_row(world, TABLE_IN, CLASS_WEB, POD_IDENTITY(1), TD_RULE_MIN + 1, 0);
	world_subject(world, POD_IDENTITY(1), TABLE_IN, TABLE_OUT, TD_SUBJECT_ENFORCED);
	world_subject(world, POD_IDENTITY(2), TABLE_IN, TABLE_OUT, TD_SUBJECT_ENFORCED);
	world_config(world, 0, TD_TICKS(30));
}

static void fill_stages(struct world *world)
{
	static const enum td_stage stages[] = { TD_STAGE_FROM_POD, TD_STAGE_FROM_UPLINK,
						TD_STAGE_TO_UPLINK };

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		uint32_t key = stages[i];
		int fd = bpf_program__fd(stage_of(world->skel, stages[i]));

		put(world_map(world, "td_progs"), &key, &fd);
	}
}

/* Every source port once, in random order; the same in every run. */
static void shuffle(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->flows; i++)
		bench->order[i] = (uint16_t)(PORT_MIN + i);
	srandom(1);
	for (uint32_t i = bench->flows - 1; i > 0; i--) {
		uint32_t j = (uint32_t)random() % (i + 1);
		uint16_t swap = bench->order[i];

		bench->order[i] = bench->order[j];
		bench->order[j] = swap;
	}
	for (uint32_t i = 0; i < bench->flows; i++)
		bench->skel->bss->ports[i] = htons(bench->order[i]);
}

/* The connections, made by the programs themselves: a SYN and its answer each. In order of ports:
 * memory must not lie in the order in which it will be visited. */
static void connect_all(struct bench *bench)
{
	struct packet syn = {
		.src = "10.0.0.1", .dst = "10.0.0.2", .dport = PORT_WEB, .flags = TCP_SYN
	};
	struct packet answer = {
		.src = "10.0.0.2", .dst = "10.0.0.1", .sport = PORT_WEB, .flags = TCP_SYN | TCP_ACK
	};

	for (uint32_t i = 0; i < bench->flows; i++) {
		syn.sport = answer.dport = (uint16_t)(PORT_MIN + i);
		if (world_from_pod(&bench->world, 1, &syn) != REDIRECT ||
		    world_from_pod(&bench->world, 2, &answer) != REDIRECT) {
			fprintf(stderr, "bench-packet: connection %u was refused\n", i);
			exit(1);
		}
	}
	if (world_stat(&bench->world, TD_STAT_CT_CREATED) != bench->flows) {
		fprintf(stderr, "bench-packet: not every connection is established\n");
		exit(1);
	}
}

static void fill_yardstick(struct bench *bench)
{
	struct bench_key key = { .dport = htons(PORT_WEB), .protocol = IPPROTO_TCP };
	struct bench_value value = {};
	int fd = bpf_map__fd(bench->skel->maps.bench_lru);

	inet_pton(AF_INET, "10.0.0.1", &key.src);
	inet_pton(AF_INET, "10.0.0.2", &key.dst);
	for (uint32_t i = 0; i < bench->flows; i++) {
		key.sport = htons((uint16_t)(PORT_MIN + i));
		put(fd, &key, &value);
	}
}

static void set_frame(struct bench *bench, const struct bench_case *c)
{
	struct packet packet = { .src = c->src,
				 .dst = c->dst,
				 .sport = bench->order[0],
				 .dport = c->dport,
				 .flags = TCP_ACK,
				 .payload_len = 10,
				 .src_mac = { TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, 1 },
				 .dst_mac = { TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, 0 } };
	uint8_t frame[PACKET_MAX];

	if (packet_build(&packet, frame) != BENCH_FRAME) {
		fprintf(stderr, "bench-packet: the frame has another length\n");
		exit(1);
	}
	memcpy(bench->skel->bss->frame, frame, BENCH_FRAME);
	bench->skel->data->flows = c->flows;
	bench->skel->bss->at = 0;
}

/* ns per packet of the round with `program` behind it. */
static double measure(struct bench *bench, const struct bench_case *c, struct bpf_program *program,
		      int want)
{
	uint32_t zero = 0, repeat = (ROUNDS / c->flows ? ROUNDS / c->flows : 1) * c->flows;
	uint32_t ifindex =
		c->stage == TD_STAGE_FROM_POD ? bench->world.pod[1] : bench->world.uplink;
	struct __sk_buff skb = { .ifindex = ifindex };
	int fd = bpf_program__fd(program), r;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bench->skel->bss->frame,
		    .data_size_in = BENCH_FRAME, .ctx_in = &skb, .ctx_size_in = sizeof(skb),
		    .repeat = (int)repeat);

	put(bpf_map__fd(bench->skel->maps.bench_target), &zero, &fd);
	bench->skel->bss->at = 0;
	r = bpf_prog_test_run_opts(bpf_program__fd(bench->skel->progs.bench_round), &opts);
	if (r < 0)
		die("test run");
	if ((int)opts.retval != want) {
		fprintf(stderr, "bench-packet: %s: %s returned %d, expected %d\n", c->name,
			bpf_program__name(program), (int)opts.retval, want);
		exit(1);
	}
	return opts.duration;
}

static struct bpf_program *program_of(struct bench *bench, const struct bench_case *c)
{
	struct net_bpf *skel = bench->world.skel;

	return c->through == ENTRY ? entry_of(skel, c->stage) : stage_of(skel, c->stage);
}

/* The yardstick runs on a frame it has entries for, whatever the case's own is. */
static double measure_yardstick(struct bench *bench, const struct bench_case *c)
{
	struct bench_case mine = cases[0];

	mine.flows = c->flows;
	set_frame(bench, &mine);
	return measure(bench, &mine, bench->skel->progs.bench_yardstick, BENCH_RETURN);
}

static void run_case(struct bench *bench, const struct bench_case *c, int trial)
{
	double floor, raw, yardstick, again;

	set_frame(bench, c);
	floor = measure(bench, c, bench->skel->progs.bench_empty, BENCH_RETURN);
	raw = measure(bench, c, program_of(bench, c), c->want);
	again = measure(bench, c, bench->skel->progs.bench_empty, BENCH_RETURN);
	yardstick = measure_yardstick(bench, c);
	if (trial >= 0) /* the round before the first warms up */
		printf("{\"case\": \"%s\", \"trial\": %d, \"ns\": %.1f, \"floor\": %.1f, "
		       "\"yardstick\": %.1f}\n",
		       c->name, trial, raw, (floor + again) / 2, yardstick);
}

static void pin(uint32_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("cannot stay on one CPU");
}

static void open_bench(struct bench *bench, uint32_t flows)
{
	struct td_load_config load = world_load_config();

	load.drop_report_interval = TD_TICKS(3600);
	world_open(&bench->world, &load, NULL);
	bench->flows = flows;
	bench->skel = packet_bpf__open_and_load();
	if (!bench->skel)
		die("cannot load the wrapper");
	write_policy(&bench->world);
	fill_stages(&bench->world);
	shuffle(bench);
	connect_all(bench);
	fill_yardstick(bench);
}

static void close_bench(struct bench *bench)
{
	packet_bpf__destroy(bench->skel);
	world_close(&bench->world);
}

int main(int argc, char **argv)
{
	static struct bench few, many;
	const char *missing = world_missing();
	int trials = 15, option;
	uint32_t cpu = 0;

	while ((option = getopt(argc, argv, "t:c:")) != -1) {
		if (option == 't')
			trials = atoi(optarg);
		else if (option == 'c')
			cpu = (uint32_t)atoi(optarg);
		else
			return 2;
	}
	if (missing) {
		fprintf(stderr, "bench-packet: %s\n", missing);
		return 1;
	}
	pin(cpu);
	open_bench(&few, FLOWS_FEW);
	open_bench(&many, FLOWS_MANY);
	for (int trial = -1; trial < trials; trial++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			run_case(cases[i].flows > FLOWS_FEW ? &many : &few, &cases[i], trial);
	close_bench(&many);
	close_bench(&few);
	return 0;
}

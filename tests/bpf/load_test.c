/* SPDX-License-Identifier: Apache-2.0 */
/* Every program loads at every corner of its configuration, at a cost to the verifier that is
 * written down in verified.txt: KERNEL PROGRAM INSTRUCTIONS. Growth beyond a tenth fails; after a
 * change that is worth it, run this program with --write and commit the file. */
#include "suite.h"

#include <stdlib.h>
#include <sys/utsname.h>

#include "bpf/socket.skel.h"

#define FILE_NAME "verified.txt"

static const struct td_load_config all_ones = {
	.ct_tcp_syn = UINT32_MAX,
	.ct_tcp_established = UINT32_MAX,
	.ct_tcp_closing = UINT32_MAX,
	.ct_tcp_time_wait = UINT32_MAX,
	.ct_tcp_reset = UINT32_MAX,
	.ct_udp = UINT32_MAX,
	.ct_udp_stream = UINT32_MAX,
	.ct_icmp = UINT32_MAX,
	.ct_other = UINT32_MAX,
	.nat_port_min = UINT16_MAX,
	.nat_port_max = UINT16_MAX,
	.drop_report_interval = UINT32_MAX,
	.host_mac = { 255, 255, 255, 255, 255, 255 },
	.has_redirect_peer = 1,
	.pods_ipv4 = { { .halves = { UINT64_MAX, UINT64_MAX } },
		       { .halves = { UINT64_MAX, UINT64_MAX } } },
	.pods_ipv6 = { { .halves = { UINT64_MAX, UINT64_MAX } },
		       { .halves = { UINT64_MAX, UINT64_MAX } } },
};

static const struct corner {
	const char *name;
	bool zero, ones, no_peer, range_upside_down;
	uint32_t prev_ct, prev_nat; /* value sizes of the previous build */
} corners[] = {
	{ .name = "as usual" },
	{ .name = "all zero", .zero = true },
	{ .name = "all ones", .ones = true },
	{ .name = "no redirect to peers", .no_peer = true },
	{ .name = "port range upside down", .range_upside_down = true },
	{ .name = "previous build of the same layout",
	  .prev_ct = sizeof(struct td_ct),
	  .prev_nat = sizeof(struct td_nat) },
	{ .name = "previous build with shorter values",
	  .prev_ct = sizeof(struct td_ct) - 8,
	  .prev_nat = sizeof(struct td_nat) - 4 },
	{ .name = "previous build with longer values",
	  .prev_ct = sizeof(struct td_ct) + 8,
	  .prev_nat = sizeof(struct td_nat) + 4 },
	{ .name = "previous build with tiny values", .prev_ct = 4, .prev_nat = 4 },
};

/* Highest count of each program over the corners. */
static struct count {
	char name[64];
	uint32_t instructions;
} counts[64];
static size_t count_of_counts;

static void note(const char *name, uint32_t instructions)
{
	size_t i = 0;

	while (i < count_of_counts && strcmp(counts[i].name, name))
		i++;
	assert_in_range(i, 0, 63);
	if (i == count_of_counts) {
		snprintf(counts[i].name, sizeof(counts[i].name), "%s", name);
		count_of_counts++;
	}
	if (instructions > counts[i].instructions)
		counts[i].instructions = instructions;
}

static void note_object(struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len), 0);
		note(bpf_program__name(program), info.verified_insns);
	}
}

static void load_corner(const struct corner *corner)
{
	struct net_bpf *skel = net_bpf__open();
	struct td_load_config load = world_load_config();

	assert_non_null(skel);
	if (corner->zero)
		memset(&load, 0, sizeof(load));
	if (corner->ones)
		load = all_ones;
	if (corner->no_peer)
		load.has_redirect_peer = 0;
	if (corner->range_upside_down)
		load.nat_port_min = load.nat_port_max + 1;
	skel->rodata->load_config = load;
	if (corner->prev_ct) {
		bpf_map__set_value_size(skel->maps.td_ct_prev, corner->prev_ct);
		bpf_map__set_value_size(skel->maps.td_ct_new_prev, corner->prev_ct);
		bpf_map__set_value_size(skel->maps.td_nat_prev, corner->prev_nat);
		skel->rodata->prev_layout.ct_size = corner->prev_ct;
		skel->rodata->prev_layout.nat_size = corner->prev_nat;
	}
	if (net_bpf__load(skel) != 0)
		fail_msg("does not load: %s", corner->name);
	note_object(skel->obj);
	net_bpf__destroy(skel);
}

static void network_programs_load_at_every_corner(void **state)
{
	for (size_t i = 0; i < sizeof(corners) / sizeof(corners[0]); i++)
		load_corner(&corners[i]);
}

static void socket_programs_load(void **state)
{
	struct socket_bpf *skel = socket_bpf__open_and_load();

	assert_non_null(skel);
	note_object(skel->obj);
	socket_bpf__destroy(skel);
}

static void kernel_name(char *ret, size_t room)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	snprintf(ret, room, "%d.%d", major, minor);
}

/* What the file says of the program on this kernel; 0: nothing. */
static uint32_t written(FILE *file, const char *kernel, const char *program)
{
	char in_kernel[32], in_program[64];
	uint32_t instructions;

	rewind(file);
	while (fscanf(file, "%31s %63s %u", in_kernel, in_program, &instructions) == 3)
		if (!strcmp(in_kernel, kernel) && !strcmp(in_program, program))
			return instructions;
	return 0;
}

static void cost_to_the_verifier_is_as_written_down(void **state)
{
	FILE *file = fopen(FILE_NAME, "re");
	char kernel[32];
	bool known = false;

	assert_non_null(file);
	kernel_name(kernel, sizeof(kernel));
	for (size_t i = 0; i < count_of_counts; i++)
		known |= written(file, kernel, counts[i].name) != 0;
	for (size_t i = 0; known && i < count_of_counts; i++) {
		uint32_t before = written(file, kernel, counts[i].name);

		if (counts[i].instructions > before + before / 10)
			fail_msg("%s: %u instructions verified, %u written down", counts[i].name,
				 counts[i].instructions, before);
	}
	fclose(file);
	if (!known) {
		printf("%s says nothing of kernel %s\n", FILE_NAME, kernel);
		skip();
	}
}

/* Replaces this kernel's lines. */
static int write_down(void)
{
	char kernel[32], line[160], in_kernel[32], *others = NULL;
	size_t others_len = 0;
	FILE *file = fopen(FILE_NAME, "re"), *kept = open_memstream(&others, &others_len);

	kernel_name(kernel, sizeof(kernel));
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%31s", in_kernel) == 1 && strcmp(in_kernel, kernel))
			fputs(line, kept);
	if (file)
		fclose(file);
	fclose(kept);
	file = fopen(FILE_NAME, "we");
	if (!file)
		return 1;
	fputs(others, file);
	for (size_t i = 0; i < count_of_counts; i++)
		fprintf(file, "%s %s %u\n", kernel, counts[i].name, counts[i].instructions);
	fclose(file);
	free(others);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_programs_load_at_every_corner),
		cmocka_unit_test(socket_programs_load),
		cmocka_unit_test(cost_to_the_verifier_is_as_written_down),
	};

	if (argc == 2 && !strcmp(argv[1], "--write")) {
		network_programs_load_at_every_corner(NULL);
		socket_programs_load(NULL);
		return write_down();
	}
	return suite_run("load", tests, sizeof(tests) / sizeof(tests[0]));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/util.h"
#include "settings.h"

#define ARGS_MAX 8

static char file[64], config_flag[80];

static int make_file(void **state)
{
	(void)state;
	snprintf(file, sizeof(file), "/tmp/settings-test-%d.yaml", getpid());
	snprintf(config_flag, sizeof(config_flag), "--config=%s", file);
	return file_replace(file, "", 0, 0600, false);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

/* Loads with --config=file and the arguments. */
static int load(const char *const *args, struct settings *ret, enum settings_request *request,
		struct diag *diag)
{
	char *argv[ARGS_MAX] = { "tendrild", config_flag };
	struct settings_source source = { .argc = 2, .argv = argv };

	while (args && *args)
		argv[source.argc++] = (char *)*args++;
	return settings_load(&source, ret, request, diag);
}

static void write_file(const char *text)
{
	assert_int_equal(file_replace(file, text, strlen(text), 0600, false), 0);
}

static void defaults_derive_from_the_instance(void **state)
{
	const char *const args[] = { "--instance=b", NULL };
	enum settings_request request;
	struct settings one = {}, other = {};
	struct diag diag = {};
	char prefix[16];

	(void)state;
	write_file("");
	assert_int_equal(load(NULL, &one, &request, &diag), 0);
	assert_int_equal(load(args, &other, &request, &diag), 0);
	assert_string_equal(one.run_dir, "/run/tendril");
	assert_string_equal(other.run_dir, "/run/tendril-b");
	assert_string_equal(other.bpf_dir, "/sys/fs/bpf/tendril-b");
	assert_string_equal(other.state_dir, "/var/lib/tendril-b");
	assert_string_not_equal(one.node_name, other.node_name);
	settings_device_prefix(&one, prefix);
	assert_string_equal(prefix, "td");
	settings_device_prefix(&other, prefix);
	assert_string_equal(prefix, "tdb");
	settings_clear(&one);
	settings_clear(&other);
}

static void an_instance_in_the_file_counts_too_and_keys_beside_it_win(void **state)
{
	enum settings_request request;
	struct settings settings = {};
	struct diag diag = {};

	(void)state;
	write_file("run_dir: /run/mine\ninstance: c\nct: {tcp_established: 10m}\n");
	assert_int_equal(load(NULL, &settings, &request, &diag), 0);
	assert_string_equal(settings.run_dir, "/run/mine");
	assert_string_equal(settings.state_dir, "/var/lib/tendril-c");
	assert_int_equal(settings.ct.tcp_established, 600);
	settings_clear(&settings);
}

static void flags_win_over_the_file(void **state)
{
	const char *const args[] = { "--deny=reject", "--devices=eth0,eth1", NULL };
	enum settings_request request;
	struct settings settings = {};
	struct diag diag = {};

	(void)state;
	write_file("deny: drop\ndevices: [wan]\n");
	assert_int_equal(load(args, &settings, &request, &diag), 0);
	assert_int_equal(settings.deny, SETTINGS_DENY_REJECT);
	assert_int_equal(settings.devices.count, 2);
	assert_int_equal(request, SETTINGS_RUN);
	settings_clear(&settings);
}

static void what_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *text, *flag, *want;
	} cases[] = {
		{ "mtu: 576\n", NULL, "mtu: found 576" },
		{ "ipam: {ipv4: '', ipv6: ''}\n", NULL, "found neither ipv4 nor ipv6" },
		{ "ipam:\n  ipv4: fd00::/64\n", NULL, "expected an IPv4 prefix" },
		{ "ipam:\n  ipv4: 10.0.0.1/32\n", NULL,
		  "ipam.ipv4: found '10.0.0.1/32', expected an IPv4 prefix of /8 to /30" },
		{ "ipam:\n  ipv4: 10.0.0.0/7\n", NULL, "of /8 to /30" },
		{ "", "--ipam.ipv6=fd00::/127", "expected an IPv6 prefix of /64 to /126" },
		{ "ipam:\n  ipv6: fd00::/63\n", NULL, "of /64 to /126" },
		{ "nat_port_min: 50000\nnat_port_max: 40000\n", NULL, "nat_port_min: found 50000" },
		{ "", "--instance=1a", "expected a letter first" },
		{ "", "--instance=toolong", "at most 6 bytes" },
		{ "", "--nonsense=1", "found '--nonsense'" },
		{ "", "positional", "found 'positional', expected --key=value" },
		{ "", "--deny", "expected --key=value" },
		{ "ct: {udp: 0}\n", NULL, "ct.udp: found '0'" },
		{ "no_masquerade: [10.0.0.0/8, nonsense]\n", NULL, "found 'nonsense'" },
		{ "ring: 100000\n", NULL, "a power of two" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const args[] = { cases[i].flag, NULL };
		enum settings_request request;
		struct settings settings = {};
		struct diag diag = {};

		write_file(cases[i].text);
		assert_int_equal(load(args, &settings, &request, &diag), -EINVAL);
		if (!strstr(diag.text, cases[i].want))
			fail_msg("'%s' '%s': said '%s'", cases[i].text,
				 cases[i].flag ? cases[i].flag : "", diag.text);
	}
}

static void a_length_is_refused_where_it_is_written(void **state)
{
	enum settings_request request;
	struct settings settings = {};
	struct diag diag = {};

	(void)state;
	write_file("mtu: 1500\nipam:\n  ipv4: 10.0.0.1/32\n");
	assert_int_equal(load(NULL, &settings, &request, &diag), -EINVAL);
	assert_string_equal(diag.file, file);
	assert_int_equal(diag.line, 3);
	diag = (struct diag){};
	write_file("ipam: {ipv4: 10.0.0.0/30, ipv6: 'fd00::/126'}\n");
	assert_int_equal(load(NULL, &settings, &request, &diag), 0);
	settings_clear(&settings);
}

static void a_file_that_was_named_must_exist(void **state)
{
	char *argv[] = { "tendrild", "--config=/nonexistent/tendril.yaml" };
	struct settings_source source = { .argc = 2, .argv = argv };
	enum settings_request request;
	struct settings settings = {};
	struct diag diag = {};

	(void)state;
	assert_int_equal(settings_load(&source, &settings, &request, &diag), -EINVAL);
	assert_string_equal(diag.file, "/nonexistent/tendril.yaml");
}

static void questions_are_answered_even_with_a_broken_file(void **state)
{
	const char *const args[] = { "--help", NULL };
	enum settings_request request = SETTINGS_RUN;
	struct settings settings = {};
	struct diag diag = {};

	(void)state;
	write_file("broken: [\n");
	assert_int_equal(load(args, &settings, &request, &diag), 0);
	assert_int_equal(request, SETTINGS_HELP);
}

static void every_key_has_a_sentence_of_help(void **state)
{
	(void)state;
	for (size_t i = 0; i < settings_table.count; i++) {
		const struct config_key *key = &settings_table.keys[i];

		assert_true(strlen(key->help) > 10);
		assert_int_equal(key->help[strlen(key->help) - 1], '.');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_derive_from_the_instance),
		cmocka_unit_test(an_instance_in_the_file_counts_too_and_keys_beside_it_win),
		cmocka_unit_test(flags_win_over_the_file),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(a_length_is_refused_where_it_is_written),
		cmocka_unit_test(a_file_that_was_named_must_exist),
		cmocka_unit_test(questions_are_answered_even_with_a_broken_file),
		cmocka_unit_test(every_key_has_a_sentence_of_help),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

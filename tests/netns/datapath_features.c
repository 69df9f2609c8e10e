/* SPDX-License-Identifier: Apache-2.0 */
/* The table of features against what the kernel says elsewhere. */
#include "datapath/kernel_features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sandbox.h"

static const struct kernel_feature *find(const struct kernel_feature *features, size_t count,
					 const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(features[i].name, name) == 0)
			return &features[i];
	}
	fail_msg("no row %s", name);
	return NULL;
}

static void each_row_says_what_its_lack_costs(void **state)
{
	_cleanup_free_ struct kernel_feature *features = NULL;
	size_t count = 0;

	assert_int_equal(kernel_features_probe(&features, &count), 0);
	for (size_t i = 0; i < count; i++) {
		print_message("%-20s %-3s %s\n", features[i].name,
			      features[i].present ? "yes" : "no", features[i].detail);
		assert_true(strlen(features[i].cost) > 0);
		if (features[i].required)
			assert_true(features[i].present);
	}
}

static void answers_agree_with_the_kernels_other_signs(void **state)
{
	_cleanup_free_ struct kernel_feature *features = NULL;
	size_t count = 0;

	assert_int_equal(kernel_features_probe(&features, &count), 0);
	/* tcx came with 6.6. */
	assert_int_equal(find(features, count, "tcx")->present,
			 sandbox_sh(NULL, "printf '6.6\\n%%s\\n' \"$(uname -r)\" | sort -VC") == 0);
	assert_int_equal(find(features, count, "cgroup v2")->present,
			 sandbox_sh(NULL, "grep -q ' - cgroup2 ' /proc/self/mountinfo") == 0);
	assert_int_equal(find(features, count, "kprobes")->present,
			 sandbox_sh(NULL, "test -e /sys/bus/event_source/devices/kprobe") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_says_what_its_lack_costs),
		cmocka_unit_test(answers_agree_with_the_kernels_other_signs),
	};

	sandbox_enter("datapath-features");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

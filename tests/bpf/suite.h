/* SPDX-License-Identifier: Apache-2.0 */
/* suite: what every BPF test program shares: a fresh world per test, and a skip that says why.
 *
 * In: tests    Out: exit code (77: skipped)    Owns: the worlds it hands out    Thread: one */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "world.h"

/* A world that lives until the next one is asked for. load NULL: world_load_config(). */
static inline struct world *suite_world_with(const struct td_load_config *load,
					     const struct world_sizes *sizes)
{
	static struct world world;
	struct td_load_config usual = world_load_config();

	if (world.skel)
		world_close(&world);
	world_open(&world, load ? load : &usual, sizes);
	return &world;
}

static inline struct world *suite_world(const struct td_load_config *load)
{
	return suite_world_with(load, NULL);
}

static inline struct world *suite_world_sized(const struct world_sizes *sizes)
{
	return suite_world_with(NULL, sizes);
}

static inline int suite_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
	const char *missing = world_missing();

	if (missing) {
		printf("skipped: %s\n", missing);
		return 77;
	}
	return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

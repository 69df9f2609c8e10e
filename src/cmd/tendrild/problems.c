/* SPDX-License-Identifier: Apache-2.0 */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

static struct problem *find(struct problems *problems, const char *key)
{
	for (size_t i = 0; i < problems->count; i++)
		if (strcmp(problems->items[i].key, key) == 0)
			return &problems->items[i];
	return NULL;
}

static struct problem *add(struct problems *problems, const char *key)
{
	_cleanup_free_ char *copy = strdup(key);
	struct problem *grown =
		realloc(problems->items, (problems->count + 1) * sizeof(*problems->items));

	if (grown)
		problems->items = grown;
	if (!grown || !copy)
		return NULL;
	grown[problems->count] = (struct problem){ .key = take_ptr(copy) };
	return &grown[problems->count++];
}

void problem_set(struct problems *problems, const char *key, const char *consequence,
		 const char *remedy, const char *fmt, ...)
{
	struct problem *problem = find(problems, key);
	_cleanup_free_ char *what = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		what = NULL;
	va_end(args);
	if (problem && what && problem->what && strcmp(problem->what, what) == 0)
		return;
	log_error("agent", what ? what : fmt, LOG_STR("consequence", consequence));
	if (!problem)
		problem = add(problems, key);
	if (!problem)
		return;
	free(problem->what);
	problem->what = take_ptr(what);
	problem->consequence = consequence;
	problem->remedy = remedy;
}

static void clear(struct problem *problem)
{
	free(problem->key);
	free(problem->what);
}

void problem_clear(struct problems *problems, const char *key)
{
	struct problem *problem = find(problems, key);

	if (!problem)
		return;
	log_info("agent", "problem is over", LOG_STR("was", problem->what));
	clear(problem);
	*problem = problems->items[--problems->count];
}

json_t *problems_json(const struct problems *problems)
{
	json_t *list = json_array();

	for (size_t i = 0; i < problems->count; i++) {
		const struct problem *problem = &problems->items[i];

		json_array_append_new(list, json_pack("{s:s?, s:s, s:s}", "what", problem->what,
						      "consequence", problem->consequence, "do",
						      problem->remedy));
	}
	return list;
}

void problems_free(struct problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		clear(&problems->items[i]);
	free(problems->items);
	*problems = (struct problems){};
}

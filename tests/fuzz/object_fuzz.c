/* SPDX-License-Identifier: Apache-2.0 */
/* Any text through object_parse(): it is refused with a place or gives objects whose own text parses
 * again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses a buffer of 4 KB when a quoted scalar ends in a syntax error. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct object_parse_options options = { .file = "f", .skip_other_kinds = size % 2 };
	struct diag diag = { 0 };

	if (object_parse((const char *)data, size, &options, &list, &diag) < 0) {
		if (!diag_is_set(&diag) || !strstr(diag.text, "found"))
			abort();
		return 0;
	}
	for (size_t i = 0; i < list->count; i++) {
		_cleanup_(object_list_freep) struct object_list *again = NULL;
		const char *text = list->items[i]->text;

		if (object_parse(text, strlen(text), &options, &again, &diag) < 0 ||
		    again->count != 1 || strcmp(again->items[0]->name, list->items[i]->name))
			abort();
	}
	return 0;
}

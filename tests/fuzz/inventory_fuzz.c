/* SPDX-License-Identifier: Apache-2.0 */
/* Any text through inventory_parse(): it is refused with a place or gives groups with a text each. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/inventory.h"

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
	const struct inventory_options options = {
		.file = "f", .name = "n", .now = 1767323045, .max_age = size % 2 ? 3600 : 0
	};
	struct diag diag = { 0 };

	if (inventory_parse((const char *)data, size, &options, &list, &diag) < 0) {
		if (!diag_is_set(&diag) || !strstr(diag.text, "found"))
			abort();
		return 0;
	}
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i]->kind != OBJECT_INVENTORY_GROUP || !list->items[i]->text)
			abort();
	return 0;
}

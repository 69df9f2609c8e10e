/* SPDX-License-Identifier: Apache-2.0 */
/* config_value: one key's value from text into its field. Inner part of config.h. */
#pragma once

#include "base/config.h"

/* Where a value was written, for messages. */
struct config_source {
	const char *file; /* NULL: a flag or a default */
	unsigned int line;
};

/* Replaces the field's value. Scalars take exactly one item. -EINVAL with diag, -ENOMEM: the field
 * is as before. */
int config_value_set(const struct config_key *key, const char *const *items, size_t count,
		     void *settings, const struct config_source *source, struct diag *diag);
/* The same from one text, lists joined by commas; "" is an empty list. */
int config_value_set_text(const struct config_key *key, const char *text, void *settings,
			  const struct config_source *source, struct diag *diag);
void config_value_clear(const struct config_key *key, void *settings);
bool config_type_is_list(enum config_type type);

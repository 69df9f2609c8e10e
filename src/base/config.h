/* SPDX-License-Identifier: Apache-2.0 */
/* config: a program's settings, described once by a table that parses, checks and documents them.
 *
 * In: a YAML file and --key=value flags    Out: the fields of the program's own struct
 * Owns: nothing; strings it stores are the struct's (config_clear)    Thread: any
 *
 * A key is a path of names joined by dots: "ipam.ipv4" is ipv4 in the mapping ipam. A flag is the
 * key itself ("--ipam.ipv4=10.0.0.0/24"; '-' may stand for '_'). Flags override the file, the file
 * overrides defaults. In a default, "@" becomes "-INSTANCE", or nothing for the default instance.
 *
 * File: at most 1 MB, no aliases. Durations are "90", "90s", "15m", "2h" or "5d"; sizes "65536",
 * "64K", "8M", "1G" (powers of 1024). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/address.h"
#include "base/diag.h"

enum config_type {
	CONFIG_STRING,      /* char * ; pattern-free text of at most `max` bytes, if max is not 0 */
	CONFIG_NAME,        /* char * ; letters, digits, '.', '_', '-', at most `max` bytes */
	CONFIG_PATH,        /* char * ; absolute */
	CONFIG_BOOL,        /* bool ; true or false */
	CONFIG_UINT,        /* uint32_t in min .. max */
	CONFIG_SECONDS,     /* uint32_t, seconds in min .. max */
	CONFIG_SIZE,        /* uint32_t, bytes in min .. max, a power of two */
	CONFIG_ENUM,        /* unsigned int: index into `choices` */
	CONFIG_PREFIX,      /* struct prefix; empty: length 0; min: family; max: CONFIG_LENGTHS() */
	CONFIG_STRING_LIST, /* struct config_strings; in a flag joined by commas */
	CONFIG_PREFIX_LIST, /* struct config_prefixes; likewise */
	CONFIG_LABELS,      /* struct config_strings of KEY=VALUE; in a file also a mapping */
};

/* Of a prefix of a given family: the shortest and the longest length that is taken. 0: any. */
#define CONFIG_LENGTHS(shortest, longest) ((shortest) << 8 | (longest))
#define CONFIG_SHORTEST(max)              ((unsigned int)((max) >> 8))
#define CONFIG_LONGEST(max)               ((unsigned int)((max) & 0xff))

struct config_strings {
	char **items;
	size_t count;
};

struct config_prefixes {
	struct prefix *items;
	size_t count;
};

struct config_key {
	const char *name;
	enum config_type type;
	uint64_t min, max;
	const char *fallback;       /* text as in a flag; NULL: empty */
	const char *help;           /* one or more sentences */
	size_t offset;              /* of the field in the program's struct */
	const char *const *choices; /* CONFIG_ENUM; NULL-terminated */
};

struct config_table {
	const struct config_key *keys;
	size_t count;
	const char *const
		*foreign; /* top-level mappings other programs own; NULL-terminated or NULL */
};

/* Sets every field from its default. instance: "" for the default one. -ENOMEM. */
int config_defaults(const struct config_table *table, const char *instance, void *settings);
/* Reads the file over what is there. -ENOENT: no such file; -EINVAL with diag; -ENOMEM. */
int config_read(const struct config_table *table, const char *path, void *settings,
		struct diag *diag);
/* The same from text; file is for messages. */
int config_parse(const struct config_table *table, const char *text, size_t len, const char *file,
		 void *settings, struct diag *diag);
/* One flag's key and value ("--" stripped). -ENOENT: no such key. */
int config_set(const struct config_table *table, const char *name, const char *value,
	       void *settings, struct diag *diag);
/* Frees what the fields own and zeroes them. */
void config_clear(const struct config_table *table, void *settings);

/* NULL if there is none. */
const struct config_key *config_find(const struct config_table *table, const char *name);
/* A value as a flag would give it; caller frees. NULL if memory is short. */
char *config_format(const struct config_key *key, const void *settings);

/* "  --key=VALUE  help (default X)" for each key. */
void config_print_flags(const struct config_table *table, FILE *out);
/* A commented YAML file with every key, its range and its default. */
void config_print_reference(const struct config_table *table, FILE *out);
/* The keys as a list in mdoc(7), for tendril.yaml(5). */
void config_print_manual(const struct config_table *table, FILE *out);

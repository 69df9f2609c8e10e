/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "verb.h"

#define TEXT_MAX (17u << 20) /* more than 16 MB is refused by the parser, which says so itself */

int input_read(const char *path, char **ret, size_t *ret_len)
{
	_cleanup_fclose_ FILE *opened = NULL;
	_cleanup_free_ char *text = malloc(TEXT_MAX + 1);
	FILE *file = stdin;

	if (strcmp(path, "-")) {
		opened = fopen(path, "re");
		if (!opened) {
			fprintf(stderr, "%s: cannot be read: %s\n", path, log_strerror(errno));
			return EXIT_NO;
		}
		file = opened;
	}
	if (!text)
		return EXIT_NO;
	*ret_len = fread(text, 1, TEXT_MAX, file);
	if (ferror(file)) {
		fprintf(stderr, "%s: cannot be read: %s\n", path, log_strerror(errno));
		return EXIT_NO;
	}
	text[*ret_len] = '\0';
	*ret = take_ptr(text);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests in, parsed objects out: each FILE.yaml beside a FILE.txt with what it must become.
 *
 *	object_golden [--write] FILE.yaml...
 *
 * --write makes the .txt files from what comes out now; read the difference before keeping it. What
 * comes out also has to survive being printed and read again: every object's own text parses to an
 * equal object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "object_dump.h"

static char *slurp(const char *path, size_t *ret_length)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t length = 0, capacity = 0;

	if (!file)
		return NULL;
	do {
		capacity += 65536;
		text = realloc(text, capacity + 1);
		if (!text)
			abort();
		length += fread(text + length, 1, capacity - length, file);
	} while (length == capacity);
	text[length] = '\0';
	*ret_length = length;
	return text;
}

/* The lines an object came from differ between its file and its own text. */
static char *dump(const struct object *object, bool with_lines)
{
	char *text = NULL;
	size_t length, kept = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		abort();
	object_dump(out, object);
	if (fclose(out))
		abort();
	if (with_lines)
		return text;
	for (size_t i = 0; i < length;) {
		const char *line = !strncmp(text + i, " (line ", 7) ? strchr(text + i, ')') : NULL;

		if (line)
			i = (size_t)(line - text) + 1;
		else
			text[kept++] = text[i++];
	}
	text[kept] = '\0';
	return text;
}

static bool text_says_the_same(const struct object *object)
{
	_cleanup_(object_list_freep) struct object_list *again = NULL;
	_cleanup_free_ char *before = dump(object, false), *after = NULL;
	struct object_parse_options options = { .file = "text" };
	struct diag diag = { 0 };

	if (object_parse(object->text, strlen(object->text), &options, &again, &diag) < 0) {
		fprintf(stderr, "the text of %s does not parse: %s\n%s\n", object->name, diag.text,
			object->text);
		return false;
	}
	if (again->count != 1)
		return false;
	after = dump(again->items[0], false);
	return !strcmp(before, after);
}

static char *outcome(const char *path, const char *text, size_t length, bool *ok)
{
	_cleanup_(object_list_freep) struct object_list *list = NULL;
	struct object_parse_options options = { .file = strrchr(path, '/') + 1 };
	struct diag diag = { 0 };
	char *result = NULL, message[1024];
	size_t size;
	FILE *out = open_memstream(&result, &size);

	if (!out)
		abort();
	if (object_parse(text, length, &options, &list, &diag) < 0) {
		diag_format(&diag, message, sizeof(message));
		fprintf(out, "refused: %s\n", message);
	}
	for (size_t i = 0; list && i < list->count; i++) {
		_cleanup_free_ char *object = dump(list->items[i], true);

		fputs(object, out);
		if (!text_says_the_same(list->items[i]))
			*ok = false;
	}
	if (fclose(out))
		abort();
	return result;
}

static bool check_file(const char *path, bool write)
{
	_cleanup_free_ char *text = NULL, *got = NULL, *want = NULL, *golden = strdup(path);
	size_t length, want_length = 0;
	bool ok = true;

	text = slurp(path, &length);
	if (!text || !golden || strlen(golden) < 5 || !strchr(path, '/'))
		return false;
	strcpy(golden + strlen(golden) - 5, ".txt");
	got = outcome(path, text, length, &ok);
	if (write) {
		_cleanup_fclose_ FILE *out = fopen(golden, "we");

		return out && fputs(got, out) >= 0 && ok;
	}
	want = slurp(golden, &want_length);
	if (ok && want && !strcmp(got, want))
		return true;
	fprintf(stderr, "%s: got\n%s\nexpected\n%s\n", path, got, want ? want : "(no file)");
	return false;
}

int main(int argc, char **argv)
{
	bool write = argc > 1 && !strcmp(argv[1], "--write");
	int failed = 0;

	for (int i = write ? 2 : 1; i < argc; i++)
		if (!check_file(argv[i], write)) {
			fprintf(stderr, "FAILED %s\n", argv[i]);
			failed++;
		}
	return failed || argc < 2 ? EXIT_FAILURE : EXIT_SUCCESS;
}

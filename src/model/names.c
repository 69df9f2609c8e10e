/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include <string.h>

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool begins_and_ends(const char *text, size_t length, const char *with)
{
	return length && strchr(with, text[0]) && strchr(with, text[length - 1]);
}

bool is_dns_label(const char *text)
{
	size_t length = strlen(text);

	return length <= 63 && begins_and_ends(text, length, LOWER DIGITS) &&
	       strspn(text, LOWER DIGITS "-") == length;
}

bool is_dns_subdomain(const char *text)
{
	if (strlen(text) > 253)
		return false;
	for (;;) {
		size_t length = strcspn(text, ".");

		if (!begins_and_ends(text, length, LOWER DIGITS) ||
		    strspn(text, LOWER DIGITS "-") != length)
			return false;
		if (!text[length])
			return true;
		text += length + 1;
	}
}

static bool is_qualified_name(const char *text)
{
	size_t length = strlen(text);

	return length <= 63 && begins_and_ends(text, length, LOWER UPPER DIGITS) &&
	       strspn(text, LOWER UPPER DIGITS "-_.") == length;
}

bool is_label_key(const char *text)
{
	const char *slash = strchr(text, '/');
	char prefix[254];

	if (!slash)
		return is_qualified_name(text);
	if ((size_t)(slash - text) >= sizeof(prefix))
		return false;
	memcpy(prefix, text, (size_t)(slash - text));
	prefix[slash - text] = '\0';
	return is_dns_subdomain(prefix) && is_qualified_name(slash + 1);
}

bool is_label_value(const char *text)
{
	return !text[0] || is_qualified_name(text);
}

bool is_port_name(const char *text)
{
	size_t length = strlen(text);

	return length <= 15 && begins_and_ends(text, length, LOWER DIGITS) &&
	       strspn(text, LOWER DIGITS "-") == length && strpbrk(text, LOWER) &&
	       !strstr(text, "--");
}

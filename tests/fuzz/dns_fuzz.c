/* SPDX-License-Identifier: Apache-2.0 */
/* Every name that dns_parse() accepts and points at can be read, and is plain text. */
#include <assert.h>
#include <string.h>

#include "wire/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[DNS_NAME_TEXT_MAX];
	struct dns_message message;

	if (dns_parse(data, size, &message) < 0)
		return 0;
	assert(message.answer_count <= DNS_ANSWER_MAX);
	for (const char *p = message.query; *p; p++)
		assert(*p > ' ' && *p < 0x7f);
	for (size_t i = 0; i < message.answer_count; i++) {
		assert(dns_name(data, size, message.answers[i].owner, name) == 0);
		assert(strlen(name) < sizeof(name));
		if (message.answers[i].type == DNS_TYPE_CNAME)
			assert(dns_name(data, size, message.answers[i].target, name) == 0);
	}
	return 0;
}

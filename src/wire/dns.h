/* SPDX-License-Identifier: Apache-2.0 */
/* dns: reads a DNS message as it was on the wire: the question and the addresses answered.
 *
 * In: hostile bytes (a UDP payload, maybe cut)    Out: struct dns_message
 * Owns: nothing; struct dns_message points into the bytes    Thread: any
 *
 * Format: RFC 1035 section 4. Compression pointers must point backwards, so each name ends after
 * finitely many steps. Names come out in lower case, in presentation form without the final dot
 * (the root is "."), every byte that is not a printable ASCII character, a dot inside a label and a
 * backslash escaped as RFC 4343 says (\DDD): the text is always plain ASCII. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

#define DNS_NAME_MAX      255  /* bytes on the wire */
#define DNS_NAME_TEXT_MAX 1025 /* all bytes escaped, and the final 0 */
#define DNS_ANSWER_MAX    64   /* further ones are left out */

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_NS = 2,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_SOA = 6,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_MX = 15,
	DNS_TYPE_TXT = 16,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_SRV = 33,
};

struct dns_answer {
	uint16_t type;       /* DNS_TYPE_A, DNS_TYPE_AAAA or DNS_TYPE_CNAME */
	uint16_t owner;      /* offset of the owner's name in the message, for dns_name() */
	uint16_t target;     /* CNAME: offset of the target's name; else 0 */
	uint32_t ttl;        /* seconds */
	struct td_addr addr; /* A, AAAA; zero for CNAME */
};

struct dns_message {
	uint16_t id;
	bool response;
	bool truncated; /* TC, or the bytes end before the answers do */
	uint8_t opcode;
	uint8_t rcode;
	char query[DNS_NAME_TEXT_MAX]; /* the first question's name; "" if there is none */
	uint16_t qtype;                /* 0 if there is no question */
	struct dns_answer answers[DNS_ANSWER_MAX];
	size_t answer_count; /* of class IN and the three types above */
};

/* -EINVAL: no DNS message (shorter than its header, a broken question or answer). Bytes that end
 * inside the answer section are no error: what came before counts, and `truncated` is set. */
int dns_parse(const uint8_t *data, size_t size, struct dns_message *ret);

/* The name at an offset of the message. -EINVAL if malformed; ret is untouched then. */
int dns_name(const uint8_t *data, size_t size, size_t offset, char ret[static DNS_NAME_TEXT_MAX]);

/* "A", "AAAA", ...; NULL if the type has no name here. */
const char *dns_type_name(uint16_t type);
/* "No Error", "Non-Existent Domain", ... as IANA describes it; NULL if unknown. */
const char *dns_rcode_text(uint8_t rcode);

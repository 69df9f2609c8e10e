/* SPDX-License-Identifier: Apache-2.0 */
/* grpc: what gRPC puts on top of HTTP/2, without any I/O.
 *
 * In: bytes of DATA frames and header values    Out: messages, status, timeouts
 * Owns: a reader owns the message it is collecting    Thread: any, one at a time per reader
 *
 * Source: "gRPC over HTTP2", https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, and
 * statuscodes.md beside it. Messages are never compressed: we offer no encoding but identity. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum grpc_status {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9,
	GRPC_ABORTED = 10,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
	GRPC_UNAUTHENTICATED = 16,
	GRPC_STATUS_MAX
};

#define GRPC_PREFIX_SIZE 5          /* flag, length in 32 bits big-endian */
#define GRPC_MESSAGE_MAX (4u << 20) /* bytes; what gRPC's own libraries accept by default */
#define GRPC_TEXT_MAX    512        /* a status message with its terminator, decoded */
#define GRPC_CODED_MAX   (3 * GRPC_TEXT_MAX)
#define GRPC_TIMEOUT_MAX 10 /* "99999999H" with its terminator */

/* "Unavailable" for GRPC_UNAVAILABLE, as gRPC's libraries print it; "Code(99)" is not known here
 * and reads "Unknown". Static storage. */
const char *grpc_status_name(enum grpc_status status);
/* A decimal of at most two digits. Anything else, and codes nobody defined, is GRPC_UNKNOWN. */
enum grpc_status grpc_status_parse(const char *text, size_t size);
/* What a reply that carries only an HTTP status means (http-grpc-status-mapping.md). */
enum grpc_status grpc_status_from_http(unsigned int http_status);

/* Collects length-prefixed messages from pieces of any size. Zero-initialise, set max. */
struct grpc_reader {
	uint32_t max; /* bytes a message may have */
	uint8_t prefix[GRPC_PREFIX_SIZE];
	uint32_t prefix_have;
	uint8_t *data; /* grows with what arrives, never to what the prefix merely claims */
	uint32_t want, have, capacity;
};

void grpc_prefix_write(uint32_t size, uint8_t ret[static GRPC_PREFIX_SIZE]);

/* Takes bytes up to the end of the current message; *ret_used says how many, also on error.
 * 1: a whole message stands in reader->data[0..have), until grpc_reader_next(); 0: more needed;
 * -EMSGSIZE: longer than max; -EOPNOTSUPP: compressed; -EBADMSG: unknown flag; -ENOMEM. */
int grpc_reader_push(struct grpc_reader *reader, const void *data, size_t size, size_t *ret_used);
/* Forgets the message; the buffer is kept for the next one. */
void grpc_reader_next(struct grpc_reader *reader);
/* Hands the message over (never NULL: an empty one is one allocated byte). NULL: out of memory. */
uint8_t *grpc_reader_take(struct grpc_reader *reader, uint32_t *ret_size);
/* True between messages: the stream may end here. */
bool grpc_reader_is_idle(const struct grpc_reader *reader);
void grpc_reader_clear(struct grpc_reader *reader);

/* "/package.Service/Method": two parts, each of letters, digits, '.', '_' and '-'. */
bool grpc_path_is_valid(const char *path, size_t size);
/* "application/grpc", also with "+proto" or parameters after it. */
bool grpc_content_type_is_valid(const char *text, size_t size);

/* grpc-message: all but printable ASCII without '%' becomes %XX. Cut to what fits, never inside a
 * %XX. Returns the length. */
size_t grpc_percent_encode(const char *text, char *buf, size_t size);
/* The reverse; malformed sequences stay as they are, control characters become '?', so that the
 * result can be shown on a terminal. Always terminated. */
size_t grpc_percent_decode(const char *text, size_t text_size, char *buf, size_t size);

/* grpc-timeout: 1 to 8 digits and a unit of H M S m u n. Rounded up to whole milliseconds.
 * -EINVAL if malformed. */
int grpc_timeout_parse(const char *text, size_t size, uint64_t *ret_ms);
/* Whole milliseconds while they fit into 8 digits, seconds above (rounded up, at most 99999999). */
void grpc_timeout_format(uint64_t ms, char buf[static GRPC_TIMEOUT_MAX]);

static inline void grpc_reader_clearp(struct grpc_reader *reader)
{
	grpc_reader_clear(reader);
}

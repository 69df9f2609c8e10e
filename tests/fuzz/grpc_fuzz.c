/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's framing in pieces of any size finds the same messages as in one piece; header values of any
 * bytes are refused or read. The first byte is the size of the pieces. */
#include <assert.h>
#include <string.h>

#include "base/util.h"
#include "wire/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MESSAGE_MAX 300

struct outcome {
	uint32_t messages, bytes;
	int error;
};

static struct outcome read_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
	_cleanup_(grpc_reader_clearp) struct grpc_reader reader = { .max = MESSAGE_MAX };
	struct outcome outcome = { 0 };
	size_t used;

	for (size_t at = 0; at < size; at += used) {
		int r = grpc_reader_push(&reader, data + at, MIN(piece, size - at), &used);

		assert(used > 0 && used <= piece);
		assert(reader.have <= reader.want &&
		       reader.want <= MESSAGE_MAX + (r < 0 ? UINT32_MAX - MESSAGE_MAX : 0));
		assert(reader.capacity <= 4096);
		if (r < 0) {
			outcome.error = r;
			return outcome;
		}
		if (r == 0)
			continue;
		outcome.messages++;
		outcome.bytes += reader.have;
		grpc_reader_next(&reader);
	}
	return outcome;
}

static void read_texts(const char *text, size_t size)
{
	char plain[64], coded[200], again[64];
	uint64_t ms;

	if (grpc_timeout_parse(text, size, &ms) == 0)
		assert(size >= 2 && size <= 9);
	grpc_path_is_valid(text, size);
	grpc_content_type_is_valid(text, size);
	assert(grpc_status_parse(text, size) < GRPC_STATUS_MAX);
	grpc_percent_decode(text, size, plain, sizeof(plain));
	grpc_percent_encode(plain, coded, sizeof(coded));
	grpc_percent_decode(coded, strlen(coded), again, sizeof(again));
	assert(strcmp(plain, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;

	if (!size)
		return 0;
	read_texts((const char *)data, size);
	whole = read_in_pieces(data + 1, size - 1, size);
	pieces = read_in_pieces(data + 1, size - 1, 1u + data[0]);
	assert(memcmp(&whole, &pieces, sizeof(whole)) == 0);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/proto_json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "wire/proto_field.h"

#define STRUCT_URL "type.googleapis.com/google.protobuf.Struct"

static int format_message(FILE *out, const ProtobufCMessage *message, unsigned int depth);

/* Length of the UTF-8 character at text (RFC 3629: no surrogates, no overlong forms); 0: none. */
static size_t utf8_length(const uint8_t *text, size_t left)
{
	static const struct {
		uint8_t first, last, second_min, second_max, length;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (text[0] < forms[i].first || text[0] > forms[i].last)
			continue;
		if (left < forms[i].length)
			return 0;
		if (forms[i].length > 1 &&
		    (text[1] < forms[i].second_min || text[1] > forms[i].second_max))
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if ((text[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

static void format_escape(FILE *out, uint8_t byte)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	const char *p = NULL;

	for (size_t i = 0; i + 1 < sizeof(letters); i += 2)
		if ((uint8_t)letters[i] == byte)
			p = &letters[i + 1];
	if (p)
		fprintf(out, "\\%c", *p);
	else
		fprintf(out, "\\u%04x", byte);
}

static int format_string(FILE *out, const char *string)
{
	const uint8_t *text = (const uint8_t *)(string ? string : "");
	size_t left = strlen((const char *)text);

	fputc('"', out);
	while (left) {
		size_t length = utf8_length(text, left);

		if (!length)
			return -EINVAL;
		if (*text < ' ' || *text == '"' || *text == '\\')
			format_escape(out, *text);
		else
			fwrite(text, 1, length, out);
		text += length;
		left -= length;
	}
	fputc('"', out);
	return 0;
}

/* RFC 4648, standard alphabet with padding. */
static void format_bytes(FILE *out, const ProtobufCBinaryData *bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	fputc('"', out);
	for (size_t i = 0; i < bytes->len; i += 3) {
		size_t left = bytes->len - i;
		uint32_t word = (uint32_t)bytes->data[i] << 16;

		word |= left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0;
		word |= left > 2 ? bytes->data[i + 2] : 0;
		fputc(digits[word >> 18], out);
		fputc(digits[word >> 12 & 63], out);
		fputc(left > 1 ? digits[word >> 6 & 63] : '=', out);
		fputc(left > 2 ? digits[word & 63] : '=', out);
	}
	fputc('"', out);
}

/* The shortest text that reads back as the same number. */
static void format_double(FILE *out, double value, bool single)
{
	char text[32];

	if (isnan(value) || isinf(value)) {
		fputs(isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"", out);
		return;
	}
	if (value == 0 && signbit(value)) {
		fputs("-0.0",
		      out); /* as "-0" it would be read as a whole number, without its sign */
		return;
	}
	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
			break;
	}
	fputs(text, out);
}

static void format_enum(FILE *out, const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *entry = protobuf_c_enum_descriptor_get_value(type, value);

	if (!strcmp(type->name, "google.protobuf.NullValue"))
		fputs("null", out);
	else if (entry)
		fprintf(out, "\"%s\"", entry->name);
	else
		fprintf(out, "%d", value);
}

static int format_value(FILE *out, const ProtobufCFieldDescriptor *field, const void *value,
			unsigned int depth)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		fprintf(out, "%" PRId32, *(const int32_t *)value);
		return 0;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		fprintf(out, "%" PRIu32, *(const uint32_t *)value);
		return 0;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		fprintf(out, "\"%" PRId64 "\"", *(const int64_t *)value);
		return 0;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		fprintf(out, "\"%" PRIu64 "\"", *(const uint64_t *)value);
		return 0;
	case PROTOBUF_C_TYPE_FLOAT:
		format_double(out, (double)*(const float *)value, true);
		return 0;
	case PROTOBUF_C_TYPE_DOUBLE:
		format_double(out, *(const double *)value, false);
		return 0;
	case PROTOBUF_C_TYPE_BOOL:
		fputs(*(const protobuf_c_boolean *)value ? "true" : "false", out);
		return 0;
	case PROTOBUF_C_TYPE_ENUM:
		format_enum(out, field->descriptor, *(const int *)value);
		return 0;
	case PROTOBUF_C_TYPE_STRING:
		return format_string(out, *(char *const *)value);
	case PROTOBUF_C_TYPE_BYTES:
		format_bytes(out, value);
		return 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return format_message(out, *(ProtobufCMessage *const *)value, depth + 1);
	}
	return -EINVAL;
}

static bool value_is_default(const ProtobufCFieldDescriptor *field, const void *value)
{
	static const uint8_t zeroes[8];
	const char *string;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		string = *(char *const *)value;
		return !string || !*string;
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)value)->len == 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return !*(void *const *)value;
	default:
		return !memcmp(value, zeroes, proto_field_size(field));
	}
}

static bool field_is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const uint8_t *base = (const uint8_t *)message;
	const uint8_t *quantifier = base + field->quantifier_offset;
	const uint8_t *value = base + field->offset;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier > 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (*(const uint32_t *)quantifier != field->id)
			return false;
		return field->type != PROTOBUF_C_TYPE_MESSAGE || *(void *const *)value;
	}
	return !value_is_default(field, value);
}

static int format_list(FILE *out, const ProtobufCMessage *message,
		       const ProtobufCFieldDescriptor *field, unsigned int depth)
{
	const uint8_t *base = (const uint8_t *)message;
	size_t count = *(const size_t *)(base + field->quantifier_offset);
	const uint8_t *values = *(uint8_t *const *)(base + field->offset);

	fputc('[', out);
	for (size_t i = 0; i < count; i++) {
		int r;

		if (i)
			fputc(',', out);
		r = format_value(out, field, values + i * proto_field_size(field), depth);
		if (r < 0)
			return r;
	}
	fputc(']', out);
	return 0;
}

static int format_object(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	const char *separator = "{";

	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		int r;

		if (!field_is_present(message, field))
			continue;
		fprintf(out, "%s\"%s\":", separator, field->name);
		separator = ",";
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			r = format_list(out, message, field, depth);
		else
			r = format_value(out, field, (const uint8_t *)message + field->offset,
					 depth);
		if (r < 0)
			return r;
	}
	fputs(*separator == '{' ? "{}" : "}", out);
	return 0;
}

/* 0, 3, 6 or 9 digits. */
static void format_fraction(FILE *out, uint32_t nanos)
{
	if (nanos % 1000)
		fprintf(out, ".%09" PRIu32, nanos);
	else if (nanos % 1000000)
		fprintf(out, ".%06" PRIu32, nanos / 1000);
	else if (nanos)
		fprintf(out, ".%03" PRIu32, nanos / 1000000);
}

static int format_timestamp(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	const Google__Protobuf__Timestamp *stamp = (const Google__Protobuf__Timestamp *)message;
	time_t seconds = (time_t)stamp->seconds;
	struct tm tm;

	/* 0001-01-01 to 9999-12-31 */
	if (stamp->seconds < -62135596800 || stamp->seconds > 253402300799 || stamp->nanos < 0 ||
	    stamp->nanos > 999999999 || !gmtime_r(&seconds, &tm))
		return -EINVAL;
	fprintf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	format_fraction(out, (uint32_t)stamp->nanos);
	fputs("Z\"", out);
	return 0;
}

static int format_duration(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	const Google__Protobuf__Duration *span = (const Google__Protobuf__Duration *)message;
	int64_t seconds = span->seconds;
	int32_t nanos = span->nanos;

	if (seconds < -315576000000 || seconds > 315576000000 || nanos < -999999999 ||
	    nanos > 999999999 || (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
		return -EINVAL;
	fprintf(out, "\"%s%" PRId64, seconds < 0 || nanos < 0 ? "-" : "",
		seconds < 0 ? -seconds : seconds);
	format_fraction(out, (uint32_t)(nanos < 0 ? -nanos : nanos));
	fputs("s\"", out);
	return 0;
}

/* Paths in lowerCamelCase; one that does not come back the same (IP) has no JSON form. */
static int format_field_mask(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	const Google__Protobuf__FieldMask *mask = (const Google__Protobuf__FieldMask *)message;

	fputc('"', out);
	for (size_t i = 0; i < mask->n_paths; i++) {
		if (i)
			fputc(',', out);
		for (const char *p = mask->paths[i]; *p; p++) {
			bool upper = *p == '_';

			if (upper && (p[1] < 'a' || p[1] > 'z'))
				return -EINVAL;
			if (upper)
				p++;
			else if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') &&
				 *p != '.')
				return -EINVAL;
			fputc(upper ? *p - 'a' + 'A' : *p, out);
		}
	}
	fputc('"', out);
	return 0;
}

static int format_struct(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	const Google__Protobuf__Struct *object = (const Google__Protobuf__Struct *)message;

	fputc('{', out);
	for (size_t i = 0; i < object->n_fields; i++) {
		int r;

		if (i)
			fputc(',', out);
		r = format_string(out, object->fields[i]->key);
		if (r < 0)
			return r;
		fputc(':', out);
		if (!object->fields[i]->value)
			return -EINVAL;
		r = format_message(out, &object->fields[i]->value->base, depth + 1);
		if (r < 0)
			return r;
	}
	fputc('}', out);
	return 0;
}

static int format_any_value(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	const Google__Protobuf__Value *value = (const Google__Protobuf__Value *)message;

	/* NaN and infinities have no place in a Value's JSON. */
	if (value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE &&
	    !isfinite(value->number_value))
		return -EINVAL;
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (field_is_present(message, field))
			return format_value(out, field, (const uint8_t *)message + field->offset,
					    depth);
	}
	return -EINVAL;
}

static int format_list_value(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	return format_list(out, message, &message->descriptor->fields[0], depth);
}

static int format_any(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	const Google__Protobuf__Any *any = (const Google__Protobuf__Any *)message;
	ProtobufCMessage *inner;
	int r;

	if (!any->type_url || !*any->type_url) {
		fputs("{}", out);
		return any->value.len ? -EINVAL : 0;
	}
	if (strcmp(any->type_url, STRUCT_URL))
		return -EINVAL;
	inner = protobuf_c_message_unpack(&google__protobuf__struct__descriptor, NULL,
					  any->value.len, any->value.data);
	if (!inner)
		return -EINVAL;
	fputs("{\"@type\":\"" STRUCT_URL "\",\"value\":", out);
	r = format_message(out, inner, depth + 1);
	fputc('}', out);
	protobuf_c_message_free_unpacked(inner, NULL);
	return r;
}

static int format_wrapper(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	const ProtobufCFieldDescriptor *field = &message->descriptor->fields[0];

	return format_value(out, field, (const uint8_t *)message + field->offset, depth);
}

static const struct {
	const char *name; /* behind "google.protobuf." */
	int (*format)(FILE *out, const ProtobufCMessage *message, unsigned int depth);
} short_forms[] = {
	{ "Timestamp", format_timestamp },
	{ "Duration", format_duration },
	{ "FieldMask", format_field_mask },
	{ "Struct", format_struct },
	{ "Value", format_any_value },
	{ "ListValue", format_list_value },
	{ "Any", format_any },
	{ "BoolValue", format_wrapper },
	{ "Int32Value", format_wrapper },
	{ "UInt32Value", format_wrapper },
	{ "Int64Value", format_wrapper },
	{ "UInt64Value", format_wrapper },
	{ "FloatValue", format_wrapper },
	{ "DoubleValue", format_wrapper },
	{ "StringValue", format_wrapper },
	{ "BytesValue", format_wrapper },
};

static int format_message(FILE *out, const ProtobufCMessage *message, unsigned int depth)
{
	static const char package[] = "google.protobuf.";
	const char *name = message->descriptor->name;

	if (depth > PROTO_JSON_DEPTH_MAX)
		return -EINVAL;
	if (strncmp(name, package, sizeof(package) - 1))
		return format_object(out, message, depth);
	name += sizeof(package) - 1;
	for (size_t i = 0; i < ARRAY_SIZE(short_forms); i++)
		if (!strcmp(short_forms[i].name, name))
			return short_forms[i].format(out, message, depth);
	return format_object(out, message, depth);
}

int proto_json_format(const ProtobufCMessage *message, char **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out;
	int r;

	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	r = format_message(out, message, 0);
	if (ferror(out))
		r = -ENOMEM;
	if (fclose(out) && r == 0)
		r = -ENOMEM;
	if (r < 0)
		return r;
	*ret = take_ptr(text);
	return 0;
}

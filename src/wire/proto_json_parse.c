/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/proto_json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "wire/proto_field.h"

#define STRUCT_URL "type.googleapis.com/google.protobuf.Struct"
#define PATH_MAX_  160

struct parser {
	unsigned int flags;
	unsigned int depth;
	struct diag *diag;
	char path[PATH_MAX_]; /* of the field being read, for messages; cut if too long */
};

static int parse_message(struct parser *parser, const json_t *json,
			 const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret);

static const char *json_kind(const json_t *json)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};

	return names[json_typeof(json)];
}

static int wrong(struct parser *parser, const json_t *json, const char *expected)
{
	const char *where = *parser->path ? parser->path : "message";

	if (json_is_string(json))
		return diag_set(parser->diag, NULL, 0, "%s: found \"%.64s\", expected %s", where,
				json_string_value(json), expected);
	return diag_set(parser->diag, NULL, 0, "%s: found %s, expected %s", where, json_kind(json),
			expected);
}

/* A whole number, as a JSON number or in a string, as the mapping allows. */
static int parse_signed(struct parser *parser, const json_t *json, int64_t min, int64_t max,
			int64_t *ret)
{
	const char *expected = "a whole number in range";
	int64_t value;
	char *end;

	if (json_is_integer(json)) {
		value = json_integer_value(json);
	} else if (json_is_string(json) && json_string_length(json)) {
		errno = 0;
		value = strtoll(json_string_value(json), &end, 10);
		if (*end || errno)
			return wrong(parser, json, expected);
	} else if (json_is_real(json) && fabs(json_real_value(json)) < 9007199254740992.0 &&
		   trunc(json_real_value(json)) == json_real_value(json)) {
		value = (int64_t)json_real_value(json);
	} else {
		return wrong(parser, json, expected);
	}
	if (value < min || value > max)
		return wrong(parser, json, expected);
	*ret = value;
	return 0;
}

static int parse_unsigned(struct parser *parser, const json_t *json, uint64_t max, uint64_t *ret)
{
	const char *text = json_string_value(json);
	int64_t value;
	char *end;
	int r;

	if (text && *text >= '0' && *text <= '9') {
		uint64_t number;

		errno = 0;
		number = strtoull(text, &end, 10);
		if (*end || errno || number > max)
			return wrong(parser, json, "a whole number in range");
		*ret = number;
		return 0;
	}
	r = parse_signed(parser, json, 0, max > INT64_MAX ? INT64_MAX : (int64_t)max, &value);
	if (r < 0)
		return r;
	*ret = (uint64_t)value;
	return 0;
}

static int parse_double(struct parser *parser, const json_t *json, double *ret)
{
	const char *text = json_string_value(json);
	double value;
	char *end;

	if (json_is_number(json)) {
		*ret = json_number_value(json);
		return 0;
	}
	if (!text || !*text)
		return wrong(parser, json, "a number");
	value = strtod(text, &end);
	if (*end)
		return wrong(parser, json, "a number");
	*ret = value;
	return 0;
}

static int parse_enum(struct parser *parser, const json_t *json,
		      const ProtobufCEnumDescriptor *type, int *ret)
{
	const ProtobufCEnumValue *value;
	int64_t number;
	int r;

	if (!strcmp(type->name, "google.protobuf.NullValue") && json_is_null(json)) {
		*ret = 0;
		return 0;
	}
	if (json_is_string(json)) {
		value = protobuf_c_enum_descriptor_get_value_by_name(type, json_string_value(json));
		if (!value)
			return wrong(parser, json, type->short_name);
		*ret = value->value;
		return 0;
	}
	r = parse_signed(parser, json, INT32_MIN, INT32_MAX, &number);
	if (r < 0)
		return r;
	*ret = (int)number;
	return 0;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* Both alphabets of RFC 4648, padding optional. */
static int parse_bytes(struct parser *parser, const json_t *json, ProtobufCBinaryData *ret)
{
	const char *text = json_string_value(json);
	_cleanup_free_ uint8_t *data = NULL;
	size_t length, out = 0;
	uint32_t word = 0;

	if (!text)
		return wrong(parser, json, "base64 text");
	length = json_string_length(json);
	while (length && text[length - 1] == '=')
		length--;
	data = malloc(length + 1);
	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0 || length % 4 == 1)
			return wrong(parser, json, "base64 text");
		word = word << 6 | (uint32_t)digit;
		if (i % 4)
			data[out++] = (uint8_t)(word >> (6 - 2 * (i % 4)));
	}
	ret->len = out;
	ret->data = take_ptr(data);
	return 0;
}

static int parse_string(struct parser *parser, const json_t *json, char **ret)
{
	char *copy;

	if (!json_is_string(json))
		return wrong(parser, json, "a string");
	if (strlen(json_string_value(json)) != json_string_length(json))
		return wrong(parser, json, "a string without zero bytes");
	copy = strdup(json_string_value(json));
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

static int parse_value(struct parser *parser, const json_t *json,
		       const ProtobufCFieldDescriptor *field, void *value)
{
	uint64_t natural;
	int64_t whole;
	double real;
	int r;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		r = parse_signed(parser, json, INT32_MIN, INT32_MAX, &whole);
		if (r == 0)
			*(int32_t *)value = (int32_t)whole;
		return r;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		r = parse_unsigned(parser, json, UINT32_MAX, &natural);
		if (r == 0)
			*(uint32_t *)value = (uint32_t)natural;
		return r;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return parse_signed(parser, json, INT64_MIN, INT64_MAX, value);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return parse_unsigned(parser, json, UINT64_MAX, value);
	case PROTOBUF_C_TYPE_FLOAT:
		r = parse_double(parser, json, &real);
		if (r == 0)
			*(float *)value = (float)real;
		return r;
	case PROTOBUF_C_TYPE_DOUBLE:
		return parse_double(parser, json, value);
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(json))
			return wrong(parser, json, "true or false");
		*(protobuf_c_boolean *)value = json_is_true(json);
		return 0;
	case PROTOBUF_C_TYPE_ENUM:
		return parse_enum(parser, json, field->descriptor, value);
	case PROTOBUF_C_TYPE_STRING:
		return parse_string(parser, json, value);
	case PROTOBUF_C_TYPE_BYTES:
		return parse_bytes(parser, json, value);
	case PROTOBUF_C_TYPE_MESSAGE:
		return parse_message(parser, json, field->descriptor, value);
	}
	return -EINVAL;
}

/* Grows the list by one element at a time only in its count: the array has room for all from the
 * start, so that what was read so far can be freed with the message. */
static int parse_list(struct parser *parser, const json_t *json, ProtobufCMessage *message,
		      const ProtobufCFieldDescriptor *field)
{
	size_t *count = (size_t *)((uint8_t *)message + field->quantifier_offset);
	uint8_t **values = (uint8_t **)((uint8_t *)message + field->offset);
	size_t size = proto_field_size(field);
	const json_t *item;
	size_t i;

	if (!json_is_array(json))
		return wrong(parser, json, "a list");
	if (*count)
		return wrong(parser, json, "the field only once");
	if (!json_array_size(json))
		return 0;
	*values = calloc(json_array_size(json), size);
	if (!*values)
		return -ENOMEM;
	json_array_foreach ((json_t *)json, i, item) {
		int r = parse_value(parser, item, field, *values + i * size);

		if (r < 0) {
			if (*count == 0) {
				free(*values);
				*values = NULL;
			}
			return r;
		}
		(*count)++;
	}
	return 0;
}

static int parse_field(struct parser *parser, const json_t *json, ProtobufCMessage *message,
		       const ProtobufCFieldDescriptor *field)
{
	uint8_t *base = (uint8_t *)message;
	void *value = base + field->offset;
	uint32_t *which = (uint32_t *)(base + field->quantifier_offset);
	bool oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
	int r;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return parse_list(parser, json, message, field);
	if (oneof && *which)
		return wrong(parser, json, "only one of these fields");
	if (!oneof && field->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)value)
		return wrong(parser, json, "the field only once");
	if (!oneof && field->type == PROTOBUF_C_TYPE_STRING && *(char **)value && **(char **)value)
		return wrong(parser, json, "the field only once");
	if (!oneof && field->type == PROTOBUF_C_TYPE_BYTES && ((ProtobufCBinaryData *)value)->data)
		return wrong(parser, json, "the field only once");
	r = parse_value(parser, json, field, value);
	if (r == 0 && oneof)
		*which = field->id;
	return r;
}

/* The name of the .proto file, or the same in lowerCamelCase. */
static bool name_equals(const char *name, const char *key)
{
	if (!strcmp(name, key))
		return true;
	for (; *name && *key; name++, key++) {
		char c = *name;

		if (c == '_' && name[1]) {
			c = *++name;
			c = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
		}
		if (c != *key)
			return false;
	}
	return !*name && !*key;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
						  const char *key)
{
	for (unsigned int i = 0; i < type->n_fields; i++)
		if (name_equals(type->fields[i].name, key))
			return &type->fields[i];
	return NULL;
}

/* Reads members into a message, with the path extended for the messages of errors. */
static int parse_object(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	size_t length = strlen(parser->path);
	const char *key;
	json_t *item;

	if (!json_is_object(json))
		return wrong(parser, json, "an object");
	json_object_foreach ((json_t *)json, key, item) {
		const ProtobufCFieldDescriptor *field = find_field(message->descriptor, key);
		bool null_means_value;
		int r;

		snprintf(parser->path + length, sizeof(parser->path) - length, "%s%s",
			 length ? "." : "", key);
		if (!field && !(parser->flags & PROTO_JSON_IGNORE_UNKNOWN))
			return diag_set(parser->diag, NULL, 0, "%s: no such field in %s",
					parser->path, message->descriptor->name);
		null_means_value = field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
				   field->descriptor == &google__protobuf__value__descriptor;
		if (field && (!json_is_null(item) || null_means_value)) {
			r = parse_field(parser, item, message, field);
			if (r < 0)
				return r;
		}
		parser->path[length] = 0;
	}
	return 0;
}

static bool parse_digits(const char **text, size_t count, int *ret)
{
	int value = 0;

	for (size_t i = 0; i < count; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		value = value * 10 + (**text - '0');
	}
	*ret = value;
	return true;
}

/* ".123" and nothing are fractions; at most nine digits. */
static bool parse_fraction(const char **text, int32_t *ret)
{
	int32_t nanos = 0;
	int digits = 0;

	if (**text != '.') {
		*ret = 0;
		return true;
	}
	for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, digits++)
		nanos = digits < 9 ? nanos * 10 + (**text - '0') : nanos;
	if (digits < 1 || digits > 9)
		return false;
	for (; digits < 9; digits++)
		nanos *= 10;
	*ret = nanos;
	return true;
}

/* "Z", "+hh:mm" or "-hh:mm" at the end; seconds east of Greenwich. */
static bool parse_zone(const char *text, int *ret)
{
	int hours, minutes, sign = *text == '-' ? -1 : 1;

	if (!strcmp(text, "Z")) {
		*ret = 0;
		return true;
	}
	if (*text != '+' && *text != '-')
		return false;
	text++;
	if (!parse_digits(&text, 2, &hours) || *text++ != ':' ||
	    !parse_digits(&text, 2, &minutes) || *text || hours > 23 || minutes > 59)
		return false;
	*ret = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int parse_timestamp(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	Google__Protobuf__Timestamp *stamp = (Google__Protobuf__Timestamp *)message;
	const char *p = json_string_value(json), *expected = "a time as in RFC 3339";
	struct tm tm = { 0 };
	int zone;

	if (!p || !parse_digits(&p, 4, &tm.tm_year) || *p++ != '-' ||
	    !parse_digits(&p, 2, &tm.tm_mon) || *p++ != '-' || !parse_digits(&p, 2, &tm.tm_mday) ||
	    *p++ != 'T' || !parse_digits(&p, 2, &tm.tm_hour) || *p++ != ':' ||
	    !parse_digits(&p, 2, &tm.tm_min) || *p++ != ':' || !parse_digits(&p, 2, &tm.tm_sec) ||
	    !parse_fraction(&p, &stamp->nanos) || !parse_zone(p, &zone))
		return wrong(parser, json, expected);
	if (tm.tm_year < 1 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return wrong(parser, json, expected);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	stamp->seconds = timegm(&tm) - zone;
	return 0;
}

static int parse_duration(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	Google__Protobuf__Duration *span = (Google__Protobuf__Duration *)message;
	const char *p = json_string_value(json);
	bool minus = p && *p == '-';
	uint64_t seconds = 0;
	int digits = 0;

	if (!p)
		return wrong(parser, json, "a duration such as \"1.5s\"");
	for (p += minus; *p >= '0' && *p <= '9' && digits < 13; p++, digits++)
		seconds = seconds * 10 + (uint64_t)(*p - '0');
	if (!digits || seconds > 315576000000 || !parse_fraction(&p, &span->nanos) ||
	    strcmp(p, "s") != 0)
		return wrong(parser, json, "a duration such as \"1.5s\"");
	span->seconds = minus ? -(int64_t)seconds : (int64_t)seconds;
	span->nanos = minus ? -span->nanos : span->nanos;
	return 0;
}

static int parse_field_mask(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	Google__Protobuf__FieldMask *mask = (Google__Protobuf__FieldMask *)message;
	const char *text = json_string_value(json);
	size_t count = 1;

	if (!text)
		return wrong(parser, json, "paths with commas between them");
	if (!*text)
		return 0;
	for (const char *p = text; *p; p++)
		count += *p == ',';
	mask->paths = calloc(count, sizeof(*mask->paths));
	if (!mask->paths)
		return -ENOMEM;
	while (mask->n_paths < count) {
		size_t length = strcspn(text, ",");
		char *path = malloc(2 * length + 1), *out = path;

		if (!path)
			return -ENOMEM;
		for (size_t i = 0; i < length; i++) {
			bool upper = text[i] >= 'A' && text[i] <= 'Z';

			if (upper)
				*out++ = '_';
			*out++ = upper ? (char)(text[i] - 'A' + 'a') : text[i];
		}
		*out = 0;
		mask->paths[mask->n_paths++] = path;
		text += length + 1;
	}
	return 0;
}

static int parse_struct(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	Google__Protobuf__Struct *object = (Google__Protobuf__Struct *)message;
	const char *key;
	json_t *item;

	if (!json_is_object(json))
		return wrong(parser, json, "an object");
	object->fields = calloc(json_object_size(json) + 1, sizeof(*object->fields));
	if (!object->fields)
		return -ENOMEM;
	json_object_foreach ((json_t *)json, key, item) {
		Google__Protobuf__Struct__FieldsEntry *entry = calloc(1, sizeof(*entry));
		int r;

		if (!entry)
			return -ENOMEM;
		google__protobuf__struct__fields_entry__init(entry);
		object->fields[object->n_fields++] = entry;
		entry->key = strdup(key);
		if (!entry->key)
			return -ENOMEM;
		r = parse_message(parser, item, &google__protobuf__value__descriptor,
				  (ProtobufCMessage **)&entry->value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_any_value(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	static const char *const members[] = {
		[JSON_OBJECT] = "struct_value", [JSON_ARRAY] = "list_value",
		[JSON_STRING] = "string_value", [JSON_INTEGER] = "number_value",
		[JSON_REAL] = "number_value",   [JSON_TRUE] = "bool_value",
		[JSON_FALSE] = "bool_value",    [JSON_NULL] = "null_value",
	};

	return parse_field(parser, json, message,
			   find_field(message->descriptor, members[json_typeof(json)]));
}

static int parse_list_value(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	return parse_list(parser, json, message, &message->descriptor->fields[0]);
}

static int parse_any(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	Google__Protobuf__Any *any = (Google__Protobuf__Any *)message;
	const char *type = json_string_value(json_object_get(json, "@type"));
	const json_t *value = json_object_get(json, "value");
	ProtobufCMessage *inner;
	size_t size;
	int r;

	if (json_is_object(json) && !json_object_size(json))
		return 0;
	if (!type || strcmp(type, STRUCT_URL) || !value)
		return wrong(parser, json, "a google.protobuf.Struct with its @type");
	r = parse_message(parser, value, &google__protobuf__struct__descriptor, &inner);
	if (r < 0)
		return r;
	size = protobuf_c_message_get_packed_size(inner);
	any->type_url = strdup(STRUCT_URL);
	any->value.data = malloc(size + 1);
	if (any->value.data)
		any->value.len = protobuf_c_message_pack(inner, any->value.data);
	protobuf_c_message_free_unpacked(inner, NULL);
	return any->type_url && any->value.data ? 0 : -ENOMEM;
}

static int parse_wrapper(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	return parse_field(parser, json, message, &message->descriptor->fields[0]);
}

static const struct {
	const char *name; /* behind "google.protobuf." */
	int (*parse)(struct parser *parser, const json_t *json, ProtobufCMessage *message);
} short_forms[] = {
	{ "Timestamp", parse_timestamp },
	{ "Duration", parse_duration },
	{ "FieldMask", parse_field_mask },
	{ "Struct", parse_struct },
	{ "Value", parse_any_value },
	{ "ListValue", parse_list_value },
	{ "Any", parse_any },
	{ "BoolValue", parse_wrapper },
	{ "Int32Value", parse_wrapper },
	{ "UInt32Value", parse_wrapper },
	{ "Int64Value", parse_wrapper },
	{ "UInt64Value", parse_wrapper },
	{ "FloatValue", parse_wrapper },
	{ "DoubleValue", parse_wrapper },
	{ "StringValue", parse_wrapper },
	{ "BytesValue", parse_wrapper },
};

static int parse_members(struct parser *parser, const json_t *json, ProtobufCMessage *message)
{
	static const char package[] = "google.protobuf.";
	const char *name = message->descriptor->name;

	if (strncmp(name, package, sizeof(package) - 1))
		return parse_object(parser, json, message);
	for (size_t i = 0; i < ARRAY_SIZE(short_forms); i++)
		if (!strcmp(short_forms[i].name, name + sizeof(package) - 1))
			return short_forms[i].parse(parser, json, message);
	return parse_object(parser, json, message);
}

static int parse_message(struct parser *parser, const json_t *json,
			 const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
	ProtobufCMessage *message;
	int r;

	if (parser->depth >= PROTO_JSON_DEPTH_MAX)
		return diag_set(parser->diag, NULL, 0, "nested deeper than %d",
				PROTO_JSON_DEPTH_MAX);
	message = calloc(1, type->sizeof_message);
	if (!message)
		return -ENOMEM;
	protobuf_c_message_init(type, message);
	parser->depth++;
	r = parse_members(parser, json, message);
	parser->depth--;
	if (r < 0) {
		protobuf_c_message_free_unpacked(message, NULL);
		return r;
	}
	*ret = message;
	return 0;
}

int proto_json_parse(const ProtobufCMessageDescriptor *type, const char *text, size_t size,
		     unsigned int flags, struct diag *diag, ProtobufCMessage **ret)
{
	struct parser parser = { .flags = flags, .diag = diag };
	json_error_t error;
	json_t *json;
	int r;

	if (size > PROTO_JSON_TEXT_MAX)
		return diag_set(diag, NULL, 0, "longer than %u bytes", PROTO_JSON_TEXT_MAX);
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		return diag_set(diag, NULL, error.line > 0 ? (unsigned int)error.line : 0,
				"no JSON: %s", error.text);
	r = parse_message(&parser, json, type, ret);
	json_decref(json);
	return r;
}

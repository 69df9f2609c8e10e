/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/proto_field.h"

/* What is wanted of one message: everything, or of each field NULL (nothing) or its own mask. */
struct flow_mask {
	const ProtobufCMessageDescriptor *type; /* NULL: a value, always whole */
	bool whole;
	struct flow_mask **fields; /* type->n_fields */
};

void flow_mask_free(struct flow_mask *mask)
{
	if (!mask)
		return;
	for (unsigned int i = 0; mask->fields && i < mask->type->n_fields; i++)
		flow_mask_free(mask->fields[i]);
	free(mask->fields);
	free(mask);
}

static int node_new(const ProtobufCFieldDescriptor *field, struct flow_mask **ret)
{
	_cleanup_(flow_mask_freep) struct flow_mask *node = calloc(1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	node->type = !field ? &flow__flow__descriptor
		     : field->type == PROTOBUF_C_TYPE_MESSAGE &&
				     field->label != PROTOBUF_C_LABEL_REPEATED
			     ? field->descriptor
			     : NULL;
	if (node->type) {
		node->fields = calloc(node->type->n_fields, sizeof(*node->fields));
		if (!node->fields)
			return -ENOMEM;
	}
	*ret = take_ptr(node);
	return 0;
}

static int field_index(const ProtobufCMessageDescriptor *type, const char *name, size_t length)
{
	for (unsigned int i = 0; type && i < type->n_fields; i++)
		if (!strncmp(type->fields[i].name, name, length) && !type->fields[i].name[length])
			return (int)i;
	return -1;
}

static int add_path(struct flow_mask *node, const char *path, struct diag *diag)
{
	const char *p = path;

	for (;;) {
		size_t length = strcspn(p, ".");
		int i = field_index(node->type, p, length);
		int r;

		if (i < 0)
			return diag_set(diag, NULL, 0,
					"field mask: found \"%.128s\", expected a field of a flow",
					path);
		if (!node->fields[i]) {
			r = node_new(&node->type->fields[i], &node->fields[i]);
			if (r < 0)
				return r;
		}
		node = node->fields[i];
		if (!p[length])
			break;
		p += length + 1;
	}
	node->whole = true;
	return 0;
}

int flow_mask_new(char *const *paths, size_t count, struct diag *diag, struct flow_mask **ret)
{
	_cleanup_(flow_mask_freep) struct flow_mask *mask = NULL;
	int r;

	r = node_new(NULL, &mask);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_path(mask, paths[i], diag);
	if (r < 0)
		return r;
	mask->whole = !count;
	*ret = take_ptr(mask);
	return 0;
}

bool flow_mask_wants(const struct flow_mask *mask, uint32_t number)
{
	const ProtobufCFieldDescriptor *field;

	if (!mask || mask->whole)
		return true;
	field = protobuf_c_message_descriptor_get_field(mask->type, number);
	return field && mask->fields[field - mask->type->fields];
}

static void free_value(const ProtobufCFieldDescriptor *field, void *value)
{
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		protobuf_c_message_free_unpacked(*(ProtobufCMessage **)value, NULL);
	else if (field->type == PROTOBUF_C_TYPE_STRING && *(char **)value != field->default_value)
		free(*(char **)value);
	else if (field->type == PROTOBUF_C_TYPE_BYTES)
		free(((ProtobufCBinaryData *)value)->data);
}

static void clear_list(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	size_t *count = (size_t *)((uint8_t *)message + field->quantifier_offset);
	void **values = (void **)((uint8_t *)message + field->offset);

	/* Of lists only those of pointers own more than themselves. */
	if (field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING)
		for (size_t i = 0; i < *count; i++)
			free_value(field, (void **)*values + i);
	free(*values);
	*values = NULL;
	*count = 0;
}

static void clear_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	uint32_t *which = (uint32_t *)((uint8_t *)message + field->quantifier_offset);
	void *value = (uint8_t *)message + field->offset;
	bool oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		clear_list(message, field);
		return;
	}
	if (oneof && *which != field->id)
		return;
	free_value(field, value);
	if (field->type == PROTOBUF_C_TYPE_STRING)
		*(const void **)value = field->default_value;
	else
		memset(value, 0, proto_field_size(field));
	if (oneof)
		*which = 0;
}

static bool has_message(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const uint8_t *base = (const uint8_t *)message;

	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)(base + field->quantifier_offset) != field->id)
		return false;
	return *(void *const *)(base + field->offset);
}

static void apply(const struct flow_mask *mask, ProtobufCMessage *message)
{
	for (unsigned int i = 0; !mask->whole && i < mask->type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &mask->type->fields[i];

		if (!mask->fields[i])
			clear_field(message, field);
		else if (mask->fields[i]->type && has_message(message, field))
			apply(mask->fields[i],
			      *(ProtobufCMessage **)((uint8_t *)message + field->offset));
	}
}

void flow_mask_apply(const struct flow_mask *mask, Flow__Flow *flow)
{
	if (mask)
		apply(mask, &flow->base);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* object_parse(): documents, lists, kinds and metadata. The kinds' own parts are in parse_*.c. */
#include "parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kind {
	const char *api_version;
	const char *older;      /* accepted too; NULL: none */
	field_reader read_name; /* the rule its names follow */
	int (*parse)(struct walk *walk, const struct yaml_node *root, struct object *object);
};

static const struct kind kinds[OBJECT_KIND_COUNT] = {
	[OBJECT_NAMESPACE] = { "v1", NULL, read_dns_label, parse_namespace },
	[OBJECT_NODE] = { "v1", NULL, read_dns_subdomain, parse_node },
	[OBJECT_POD] = { "v1", NULL, read_dns_subdomain, parse_pod },
	[OBJECT_SERVICE] = { "v1", NULL, read_dns_label, parse_service },
	[OBJECT_ENDPOINT_SLICE] = { "discovery.k8s.io/v1", NULL, read_dns_subdomain,
				    parse_endpoint_slice },
	[OBJECT_NETWORK_POLICY] = { "networking.k8s.io/v1", NULL, read_dns_subdomain,
				    parse_network_policy },
	[OBJECT_CILIUM_NETWORK_POLICY] = { "cilium.io/v2", NULL, read_dns_subdomain,
					   parse_cilium_policy },
	[OBJECT_CILIUM_CLUSTERWIDE_NETWORK_POLICY] = { "cilium.io/v2", NULL, read_dns_subdomain,
						       parse_cilium_policy },
	[OBJECT_CILIUM_CIDR_GROUP] = { "cilium.io/v2", "cilium.io/v2alpha1", read_dns_subdomain,
				       parse_cidr_group },
	[OBJECT_POLICY_MODE] = { "tendril.io/v1alpha1", NULL, read_dns_subdomain,
				 parse_policy_mode },
};

struct metadata {
	const struct yaml_node *name, *namespace, *labels, *annotations;
};

/* What is being made of one text. */
struct parsing {
	struct walk walk;
	const struct object_parse_options *options;
	struct object_list *list;
	const struct document *document;
	bool in_list; /* an item of a List: the document's text is not its own */
};

static int note_node(struct walk *walk, const struct yaml_node *node, void *into)
{
	*(const struct yaml_node **)into = node;
	return 0;
}

static const struct field metadata_fields[] = {
	{ "name", SHAPE_STRING, note_node, offsetof(struct metadata, name) },
	{ "namespace", SHAPE_STRING, note_node, offsetof(struct metadata, namespace) },
	{ "labels", SHAPE_MAP, note_node, offsetof(struct metadata, labels) },
	{ "annotations", SHAPE_MAP, note_node, offsetof(struct metadata, annotations) },
	{ "clusterName", SHAPE_STRING, NULL, 0 },
	{ "creationTimestamp", SHAPE_STRING, NULL, 0 },
	{ "deletionGracePeriodSeconds", SHAPE_INT, NULL, 0 },
	{ "deletionTimestamp", SHAPE_STRING, NULL, 0 },
	{ "finalizers", SHAPE_LIST, NULL, 0 },
	{ "generateName", SHAPE_STRING, NULL, 0 },
	{ "generation", SHAPE_INT, NULL, 0 },
	{ "managedFields", SHAPE_LIST, NULL, 0 },
	{ "ownerReferences", SHAPE_LIST, NULL, 0 },
	{ "resourceVersion", SHAPE_STRING, NULL, 0 },
	{ "selfLink", SHAPE_STRING, NULL, 0 },
	{ "uid", SHAPE_STRING, NULL, 0 },
};

static int read_label(struct walk *walk, const struct yaml_node *key, const struct yaml_node *value,
		      void *into)
{
	struct labels *labels = into;
	const char *text = "";
	int r;

	if (!is_label_key(key->text))
		return walk_fail(walk, key,
				 "a label key ([prefix/]name, name at most 63 letters, "
				 "digits, '-', '_', '.')");
	if (!node_is_null(value)) {
		r = walk_shape(walk, value, SHAPE_STRING);
		if (r < 0)
			return r;
		text = value->text;
	}
	if (!is_label_value(text))
		return walk_fail(walk, value,
				 "a label value (at most 63 letters, digits, '-', "
				 "'_', '.')");
	if (labels->count >= LABELS_MAX)
		return walk_fail(walk, key, "at most %d labels", LABELS_MAX);
	return labels_set(labels, "k8s", key->text, text);
}

/* Checks a value of metadata with its name in the path. */
static int check_at(struct walk *walk, const char *key, const struct yaml_node *node,
		    field_reader read, char **into)
{
	const struct path *up = walk->path;
	struct path metadata = { .up = up, .key = "metadata" };
	struct path path = { .up = &metadata, .key = key };
	int r;

	walk->path = &path;
	r = read(walk, node, into);
	walk->path = up;
	return r;
}

/* Our own annotations; all others are somebody else's. */
#define ANNOTATION_PREFIX "policy.tendril.io/"
#define ANNOTATION_AUDIT  ANNOTATION_PREFIX "audit-mode"

static int read_annotation(struct walk *walk, const struct yaml_node *key,
			   const struct yaml_node *value, void *into)
{
	struct object *object = into;

	if (strncmp(key->text, ANNOTATION_PREFIX, strlen(ANNOTATION_PREFIX)) != 0)
		return 0;
	if (strcmp(key->text, ANNOTATION_AUDIT) != 0)
		return walk_fail(walk, key, ANNOTATION_AUDIT);
	if (object->kind != OBJECT_NAMESPACE && object->kind != OBJECT_POD &&
	    !object_kind_is_policy(object->kind))
		return walk_fail(walk, key,
				 "it on a Namespace, a Pod or a policy: on a %s it is "
				 "not enforced by this build",
				 object_kind_name(object->kind));
	return read_audit(walk, value, &object->audit);
}

typedef int (*pair_reader)(struct walk *walk, const struct yaml_node *key,
			   const struct yaml_node *value, void *into);

static int read_pairs(struct walk *walk, const char *key, const struct yaml_node *node,
		      pair_reader read, void *into)
{
	const struct path *up = walk->path;
	struct path metadata = { .up = up, .key = "metadata" };
	struct path path = { .up = &metadata, .key = key };
	int r;

	if (!node)
		return 0;
	walk->path = &path;
	r = walk_pairs(walk, node, read, into);
	walk->path = up;
	return r;
}

static int read_metadata(struct walk *walk, const struct yaml_node *root, struct metadata *ret)
{
	const struct yaml_node *node = node_get(root, "metadata");
	struct path path = { .up = walk->path, .key = "metadata" };
	int r;

	if (!node || node_is_null(node))
		return walk_missing(walk, root, "metadata", "a mapping with a name");
	walk->path = &path;
	r = walk_table(walk, node, metadata_fields, ret);
	if (r >= 0 && !ret->name)
		r = walk_missing(walk, node, "name", "the object's name");
	walk->path = path.up;
	return r;
}

static int read_namespace(struct walk *walk, enum object_kind kind, const struct metadata *metadata,
			  char **ret)
{
	const struct yaml_node *node = metadata->namespace;

	if (!object_kind_is_namespaced(kind)) {
		if (node && node->text[0])
			return walk_fail(walk, node, "no metadata.namespace: a %s is in none",
					 object_kind_name(kind));
		*ret = strdup("");
		return *ret ? 0 : -ENOMEM;
	}
	if (!node || !node->text[0]) {
		*ret = strdup("default");
		return *ret ? 0 : -ENOMEM;
	}
	return check_at(walk, "namespace", node, read_dns_label, ret);
}

static int make_object(struct parsing *parsing, const struct yaml_node *root, enum object_kind kind,
		       struct object **ret)
{
	_cleanup_(object_unrefp) struct object *object = NULL;
	_cleanup_free_ char *name = NULL, *namespace = NULL;
	struct walk *walk = &parsing->walk;
	struct metadata metadata = { 0 };
	int r = read_metadata(walk, root, &metadata);

	if (r < 0)
		return r;
	r = check_at(walk, "name", metadata.name, kinds[kind].read_name, &name);
	if (r < 0)
		return r;
	r = read_namespace(walk, kind, &metadata, &namespace);
	if (r < 0)
		return r;
	object = object_new(kind, namespace, name);
	if (!object)
		return -ENOMEM;
	r = read_pairs(walk, "labels", metadata.labels, read_label, object->labels);
	if (r >= 0)
		r = read_pairs(walk, "annotations", metadata.annotations, read_annotation, object);
	if (r < 0)
		return r;
	*ret = take_ptr(object);
	return 0;
}

static int note_origin(const struct parsing *parsing, const struct yaml_node *root,
		       struct object *object)
{
	object->line = root->line;
	if (parsing->options->file && !parsing->options->from_api) {
		object->file = strdup(parsing->options->file);
		if (!object->file)
			return -ENOMEM;
	}
	if (parsing->in_list)
		return node_to_json(root, &object->text);
	object->text = malloc(parsing->document->text_length + 1);
	if (!object->text)
		return -ENOMEM;
	memcpy(object->text, parsing->document->text, parsing->document->text_length);
	object->text[parsing->document->text_length] = '\0';
	return 0;
}

static int add_object(struct parsing *parsing, const struct yaml_node *root, enum object_kind kind)
{
	_cleanup_(object_unrefp) struct object *object = NULL;
	struct object **slot;
	int r = make_object(parsing, root, kind, &object);

	if (r < 0)
		return r;
	r = kinds[kind].parse(&parsing->walk, root, object);
	if (r < 0)
		return r;
	r = note_origin(parsing, root, object);
	if (r < 0)
		return r;
	slot = array_add(&parsing->list->items, &parsing->list->count);
	if (!slot)
		return -ENOMEM;
	*slot = take_ptr(object);
	return 0;
}

static int add_skipped(struct parsing *parsing, const struct yaml_node *root, const char *kind)
{
	const struct yaml_node *metadata = node_get(root, "metadata");
	const struct yaml_node *namespace = metadata ? node_get(metadata, "namespace") : NULL;
	const struct yaml_node *name = metadata ? node_get(metadata, "name") : NULL;
	bool has_namespace = namespace && namespace->type == NODE_SCALAR && namespace->text[0];
	_cleanup_free_ char *text = NULL;
	char **slot;

	if (asprintf(&text, "%s %s%s%s", kind, has_namespace ? namespace->text : "",
		     has_namespace ? "/" : "",
		     name && name->type == NODE_SCALAR ? name->text : "(unnamed)") < 0) {
		text = NULL;
		return -ENOMEM;
	}
	slot = array_add(&parsing->list->skipped, &parsing->list->skipped_count);
	if (!slot)
		return -ENOMEM;
	*slot = take_ptr(text);
	return 0;
}

static int read_root(struct parsing *parsing, const struct yaml_node *root);

static int read_item(struct walk *walk, const struct yaml_node *node, void *into)
{
	return read_root(into, node);
}

static int read_items(struct walk *walk, const struct yaml_node *node, void *into)
{
	struct parsing *parsing = into;
	bool outer = parsing->in_list;
	int r;

	parsing->in_list = true;
	r = walk_items(walk, node, read_item, parsing);
	parsing->in_list = outer;
	return r;
}

static const struct field list_fields[] = {
	OBJECT_FIELDS,
	{ "items", SHAPE_LIST, read_items, 0 },
};

/* Exact: names are case-sensitive in manifests. */
static bool find_kind(const char *text, enum object_kind *ret)
{
	for (unsigned int i = 0; i < OBJECT_KIND_COUNT; i++) {
		if (!kinds[i].parse || strcmp(object_kind_name((enum object_kind)i), text))
			continue;
		*ret = (enum object_kind)i;
		return true;
	}
	return false;
}

static bool same_group(const char *a, const char *b)
{
	const char *x = strchr(a, '/'), *y = strchr(b, '/');

	if (!x || !y)
		return !x && !y;
	return x - a == y - b && !memcmp(a, b, (size_t)(x - a));
}

static bool same_version(const struct kind *kind, const char *text)
{
	return !strcmp(text, kind->api_version) || (kind->older && !strcmp(text, kind->older));
}

static int refuse_kind(struct parsing *parsing, const struct yaml_node *node)
{
	enum object_kind meant;
	bool close = object_kind_parse(node->text, &meant) == 0 && kinds[meant].parse;

	return walk_fail(&parsing->walk, node, "%s",
			 close ? object_kind_name(meant)
			       : "one of Namespace, Node, Pod, Service, EndpointSlice, "
				 "NetworkPolicy, CiliumNetworkPolicy, "
				 "CiliumClusterwideNetworkPolicy, CiliumCIDRGroup, PolicyMode, "
				 "List");
}

struct type {
	const struct yaml_node *api_version, *kind;
};

static int read_type(struct parsing *parsing, const struct yaml_node *root, struct type *ret)
{
	int r = walk_shape(&parsing->walk, root, SHAPE_MAP);
	const struct yaml_node *api_version, *kind;

	if (r < 0)
		return r;
	api_version = node_get(root, "apiVersion");
	kind = node_get(root, "kind");
	if (!api_version || node_is_null(api_version))
		return walk_missing(&parsing->walk, root, "apiVersion", "a Kubernetes object");
	if (!kind || node_is_null(kind))
		return walk_missing(&parsing->walk, root, "kind", "a Kubernetes object");
	r = walk_shape(&parsing->walk, api_version, SHAPE_STRING);
	if (r >= 0)
		r = walk_shape(&parsing->walk, kind, SHAPE_STRING);
	if (r < 0)
		return r;
	*ret = (struct type){ api_version, kind };
	return 0;
}

static int read_root(struct parsing *parsing, const struct yaml_node *root)
{
	struct type type = { 0 };
	enum object_kind kind;
	int r = read_type(parsing, root, &type);

	if (r < 0)
		return r;
	if (!strcmp(type.kind->text, "List") && !strcmp(type.api_version->text, "v1"))
		return walk_table(&parsing->walk, root, list_fields, parsing);
	if (find_kind(type.kind->text, &kind) &&
	    same_group(type.api_version->text, kinds[kind].api_version)) {
		if (!same_version(&kinds[kind], type.api_version->text))
			return walk_fail(&parsing->walk, type.api_version, "%s for a %s",
					 kinds[kind].api_version, object_kind_name(kind));
		return add_object(parsing, root, kind);
	}
	if (parsing->options->skip_other_kinds)
		return add_skipped(parsing, root, type.kind->text);
	if (find_kind(type.kind->text, &kind))
		return walk_fail(&parsing->walk, type.api_version, "%s for a %s",
				 kinds[kind].api_version, object_kind_name(kind));
	return refuse_kind(parsing, type.kind);
}

static int read_documents(struct parsing *parsing, struct document_reader *reader)
{
	for (;;) {
		_cleanup_(document_freep) struct document *document = NULL;
		int r = document_reader_next(reader, &document);

		if (r <= 0)
			return r;
		parsing->document = document;
		if (!document->root || node_is_null(document->root))
			continue;
		r = read_root(parsing, document->root);
		if (r < 0)
			return r;
	}
}

int object_parse(const char *text, size_t len, const struct object_parse_options *options,
		 struct object_list **ret, struct diag *diag)
{
	_cleanup_(document_reader_freep) struct document_reader *reader = NULL;
	_cleanup_(object_list_freep) struct object_list *list = calloc(1, sizeof(*list));
	const char *file = options->file ? options->file : "<input>";
	struct parsing parsing = { .walk = { .file = file, .diag = diag },
				   .options = options,
				   .list = list };
	int r;

	if (!list)
		return -ENOMEM;
	r = document_reader_new(text, len, file, diag, &reader);
	if (r < 0)
		return r;
	r = read_documents(&parsing, reader);
	if (r < 0)
		return r;
	if (!list->count && !list->skipped_count)
		return diag_set(diag, file, 0, "found no object, expected at least one");
	*ret = take_ptr(list);
	return 0;
}

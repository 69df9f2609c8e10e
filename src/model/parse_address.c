/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and CIDRs in manifests. */
#include "parse.h"

#include <errno.h>
#include <string.h>

int read_address(struct walk *walk, const struct yaml_node *node, void *into)
{
	int r = walk_shape(walk, node, SHAPE_STRING);

	if (r < 0)
		return r;
	if (address_parse(node->text, into) < 0)
		return walk_fail(walk, node, "an IPv4 or IPv6 address");
	return 0;
}

int walk_prefix(struct walk *walk, const struct yaml_node *node, bool bare, struct prefix *ret)
{
	int r = walk_shape(walk, node, SHAPE_STRING);

	if (r < 0)
		return r;
	if ((!bare && !strchr(node->text, '/')) || prefix_parse(node->text, ret) < 0)
		return walk_fail(walk, node, "a CIDR such as 10.0.0.0/8 or fd00::/8");
	return 0;
}

int walk_prefix_add(struct walk *walk, const struct yaml_node *node, bool bare,
		    struct prefix **list, size_t *count)
{
	struct prefix prefix, *slot;
	int r = walk_prefix(walk, node, bare, &prefix);

	if (r < 0)
		return r;
	slot = array_add(list, count);
	if (!slot)
		return -ENOMEM;
	*slot = prefix;
	return 0;
}

int walk_except(struct walk *walk, const struct yaml_node *node, bool strictly,
		struct cidr_rule *rule)
{
	char outer[PREFIX_TEXT_MAX];
	struct prefix prefix, *except;
	int r = walk_prefix(walk, node, false, &prefix);

	if (r < 0)
		return r;
	if (!prefix_covers(&rule->prefix, &prefix) ||
	    (strictly && prefix.length == rule->prefix.length))
		return walk_fail(walk, node, "a CIDR inside %s",
				 prefix_format(&rule->prefix, outer));
	except = array_add(&rule->except, &rule->except_count);
	if (!except)
		return -ENOMEM;
	*except = prefix;
	return 0;
}

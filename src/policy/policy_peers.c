/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_peers.h"

#include "base/util.h"

static const struct reserved {
	uint32_t number;
	const char *labels[2];
} reserved[] = {
	{ TD_ID_HOST, { "host" } },
	{ TD_ID_WORLD, { "world" } },
	{ TD_ID_UNMANAGED, { "unmanaged" } },
	{ TD_ID_HEALTH, { "health" } },
	{ TD_ID_INIT, { "init" } },
	{ TD_ID_REMOTE_NODE, { "remote-node" } },
	{ TD_ID_KUBE_APISERVER, { "kube-apiserver", "remote-node" } },
	{ TD_ID_INGRESS, { "ingress" } },
};

static void peer_free(struct policy_peer *peer)
{
	if (!peer)
		return;
	for (size_t i = 0; i < peer->port_count; i++)
		free(peer->ports[i].name);
	free(peer->ports);
	labels_free(peer->labels);
	free(peer);
}

static void peer_freep(struct policy_peer **peer)
{
	peer_free(*peer);
}

static int peer_new(uint32_t number, const struct labels *labels, const struct named_port *ports,
		    size_t port_count, struct policy_peer **ret)
{
	_cleanup_(peer_freep) struct policy_peer *peer = calloc(1, sizeof(*peer));
	int r;

	if (!peer)
		return -ENOMEM;
	peer->number = number;
	peer->subject.identity = number;
	r = labels_copy(labels, &peer->labels);
	if (r < 0)
		return r;
	peer->ports = calloc(port_count + 1, sizeof(*peer->ports));
	if (!peer->ports)
		return -ENOMEM;
	for (; peer->port_count < port_count; peer->port_count++) {
		struct named_port *port = &peer->ports[peer->port_count];

		*port = ports[peer->port_count];
		port->name = strdup(port->name);
		if (!port->name)
			return -ENOMEM;
	}
	*ret = take_ptr(peer);
	return 0;
}

static bool peer_is(const struct policy_peer *peer, const struct labels *labels,
		    const struct named_port *ports, size_t port_count)
{
	if (labels_compare(peer->labels, labels) != 0 || peer->port_count != port_count)
		return false;
	for (size_t i = 0; i < port_count; i++)
		if (strcmp(peer->ports[i].name, ports[i].name) != 0 ||
		    peer->ports[i].protocol != ports[i].protocol ||
		    peer->ports[i].port != ports[i].port)
			return false;
	return true;
}

/* First index in `sorted` whose number is not below the given one. */
static size_t sorted_position(const struct policy_peers *peers, uint32_t number)
{
	size_t low = 0, high = peers->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (peers->sorted[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct policy_peer *policy_peers_find(const struct policy_peers *peers, uint32_t number)
{
	size_t at = sorted_position(peers, number);

	return at < peers->count && peers->sorted[at]->number == number ? peers->sorted[at] : NULL;
}

/* Everything that may fail when a slot is taken. */
static int slot_prepare(struct policy_peers *peers, size_t *ret)
{
	struct policy_peer **slots, **sorted;
	size_t slot = 0;
	int r;

	sorted = array_room(peers->sorted, peers->count, &peers->room, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	peers->sorted = sorted;
	while (slot < peers->slot_count && peers->slots[slot])
		slot++;
	if (slot == peers->slot_count) {
		slots = array_room(peers->slots, slot, &peers->slot_room, sizeof(*slots));
		if (!slots)
			return -ENOMEM;
		peers->slots = slots;
	}
	r = bits_reserve(&peers->touched, slot + 1);
	for (size_t b = 0; !r && b < peers->bucket_count; b++)
		for (struct policy_selector *s = peers->buckets[b]; !r && s; s = s->next)
			r = bits_reserve(&s->members, slot + 1);
	if (r < 0)
		return r;
	*ret = slot;
	return 0;
}

static void slot_fill(struct policy_peers *peers, size_t slot, struct policy_peer *peer)
{
	size_t at = sorted_position(peers, peer->number);

	peer->slot = slot;
	peer->dirty = policy_peer_is_subject(peer->number);
	peers->slots[slot] = peer;
	peers->slot_count = MAX(peers->slot_count, slot + 1);
	memmove(&peers->sorted[at + 1], &peers->sorted[at],
		(peers->count - at) * sizeof(struct policy_peer *));
	peers->sorted[at] = peer;
	peers->count++;
	bits_set(&peers->touched, slot);
	for (size_t b = 0; b < peers->bucket_count; b++)
		for (struct policy_selector *s = peers->buckets[b]; s; s = s->next)
			if (selector_matches(s->selector, peer->labels))
				bits_set(&s->members, slot);
}

static void peer_leave(struct policy_peers *peers, struct policy_peer *peer)
{
	size_t at = sorted_position(peers, peer->number);

	peer->gone = true;
	bits_set(&peers->touched, peer->slot);
	peers->count--;
	memmove(&peers->sorted[at], &peers->sorted[at + 1],
		(peers->count - at) * sizeof(struct policy_peer *));
}

int policy_peers_put(struct policy_peers *peers, uint32_t number, const struct labels *labels,
		     const struct named_port *ports, size_t port_count)
{
	_cleanup_(peer_freep) struct policy_peer *fresh = NULL;
	struct policy_peer *old = policy_peers_find(peers, number);
	size_t slot;
	int r;

	if (old && peer_is(old, labels, ports, port_count))
		return 0;
	r = peer_new(number, labels, ports, port_count, &fresh);
	if (r < 0)
		return r;
	r = slot_prepare(peers, &slot);
	if (r < 0)
		return r;
	if (old) {
		/* The tables in force go over to the one that replaces it. */
		fresh->subject = old->subject;
		old->subject.table[TD_INGRESS] = old->subject.table[TD_EGRESS] = NULL;
		peer_leave(peers, old);
	}
	slot_fill(peers, slot, take_ptr(fresh));
	return 0;
}

void policy_peers_delete(struct policy_peers *peers, uint32_t number)
{
	struct policy_peer *peer = policy_peers_find(peers, number);

	if (peer && policy_peer_is_pod(number))
		peer_leave(peers, peer);
}

void policy_peers_settle(struct policy_peers *peers)
{
	bits_for_each(slot, &peers->touched)
	{
		struct policy_peer *peer = peers->slots[slot];

		bits_clear(&peers->touched, slot);
		if (!peer || !peer->gone)
			continue;
		for (size_t b = 0; b < peers->bucket_count; b++)
			for (struct policy_selector *s = peers->buckets[b]; s; s = s->next)
				bits_clear(&s->members, slot);
		peers->slots[slot] = NULL;
		peer_free(peer);
	}
}

static int reserved_put(struct policy_peers *peers, const struct reserved *item)
{
	_cleanup_(labels_freep) struct labels *labels = labels_new();
	int r = labels ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < ARRAY_SIZE(item->labels) && item->labels[i]; i++)
		r = labels_set(labels, "reserved", item->labels[i], "");
	return r ? r : policy_peers_put(peers, item->number, labels, NULL, 0);
}

int policy_peers_init(struct policy_peers *peers)
{
	int r = 0;

	*peers = (struct policy_peers){ 0 };
	for (size_t i = 0; !r && i < ARRAY_SIZE(reserved); i++)
		r = reserved_put(peers, &reserved[i]);
	if (r < 0)
		policy_peers_fini(peers);
	return r;
}

static void selector_drop(struct policy_selector *selector)
{
	if (!selector)
		return;
	selector_free(selector->selector);
	free(selector->members.words);
	free(selector);
}

static void selector_dropp(struct policy_selector **selector)
{
	selector_drop(*selector);
}

void policy_peers_fini(struct policy_peers *peers)
{
	for (size_t slot = 0; slot < peers->slot_count; slot++)
		peer_free(peers->slots[slot]);
	for (size_t b = 0; b < peers->bucket_count; b++) {
		struct policy_selector *next;

		for (struct policy_selector *s = peers->buckets[b]; s; s = next) {
			next = s->next;
			selector_drop(s);
		}
	}
	free(peers->slots);
	free(peers->sorted);
	free(peers->touched.words);
	free(peers->buckets);
	*peers = (struct policy_peers){ 0 };
}

static uint32_t selector_hash(const struct selector *selector)
{
	uint32_t hash = HASH_START;

	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];

		hash = hash_mix(hash, item->key, strlen(item->key) + 1);
		hash = hash_mix(hash, &item->op, sizeof(item->op));
		for (size_t v = 0; v < item->value_count; v++)
			hash = hash_mix(hash, item->values[v], strlen(item->values[v]) + 1);
	}
	return hash;
}

static int selector_join(struct selector *into, const struct selector *other)
{
	int r = 0;

	for (size_t i = 0; !r && i < other->count; i++)
		r = selector_add(into, other->items[i].source, other->items[i].key,
				 other->items[i].op, (const char *const *)other->items[i].values,
				 other->items[i].value_count);
	return r;
}

static int buckets_grow(struct policy_peers *peers)
{
	size_t count = peers->bucket_count ? peers->bucket_count * 2 : 64;
	struct policy_selector **buckets, *next;

	if (peers->selector_count < peers->bucket_count)
		return 0;
	buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	for (size_t b = 0; b < peers->bucket_count; b++) {
		for (struct policy_selector *s = peers->buckets[b]; s; s = next) {
			next = s->next;
			s->next = buckets[s->hash & (count - 1)];
			buckets[s->hash & (count - 1)] = s;
		}
	}
	free(peers->buckets);
	peers->buckets = buckets;
	peers->bucket_count = count;
	return 0;
}

static int selector_match_all(const struct policy_peers *peers, struct policy_selector *selector)
{
	int r = bits_reserve(&selector->members, peers->slot_count);

	for (size_t slot = 0; !r && slot < peers->slot_count; slot++) {
		const struct policy_peer *peer = peers->slots[slot];

		if (peer && !peer->gone && selector_matches(selector->selector, peer->labels))
			bits_set(&selector->members, slot);
	}
	return r;
}

int policy_peers_select(struct policy_peers *peers, const struct selector *selector,
			struct selector *const *also, size_t also_count,
			struct policy_selector **ret)
{
	_cleanup_(selector_dropp) struct policy_selector *fresh = calloc(1, sizeof(*fresh));
	struct policy_selector *found = NULL, **bucket;
	int r = fresh ? selector_copy(selector, &fresh->selector) : -ENOMEM;

	for (size_t i = 0; !r && i < also_count; i++)
		r = selector_join(fresh->selector, also[i]);
	if (!r)
		r = buckets_grow(peers);
	if (r < 0)
		return r;
	fresh->hash = selector_hash(fresh->selector);
	bucket = &peers->buckets[fresh->hash & (peers->bucket_count - 1)];
	for (found = *bucket; found; found = found->next)
		if (found->hash == fresh->hash &&
		    selector_compare(found->selector, fresh->selector) == 0)
			break;
	if (!found) {
		r = selector_match_all(peers, fresh);
		if (r < 0)
			return r;
		found = take_ptr(fresh);
		found->next = *bucket;
		*bucket = found;
		peers->selector_count++;
	}
	found->refs++;
	*ret = found;
	return 0;
}

void policy_peers_unselect(struct policy_peers *peers, struct policy_selector *selector)
{
	struct policy_selector **at;

	if (!selector || --selector->refs)
		return;
	at = &peers->buckets[selector->hash & (peers->bucket_count - 1)];
	while (*at != selector)
		at = &(*at)->next;
	*at = selector->next;
	peers->selector_count--;
	selector_drop(selector);
}

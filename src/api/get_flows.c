/* SPDX-License-Identifier: Apache-2.0 */
#include "get_flows.h"

#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "base/util.h"
#include "flow/filter.h"
#include "flow/to_proto.h"
#include "observer.pb-c.h"

#define SCAN_A_TURN 16384 /* records looked at before others get their turn */

struct get_flows {
	struct observer_flows *flows;
	struct get_flows *next, **link;
	struct grpc_call *call;
	struct flow_filter *filter;
	struct flow_mask *mask; /* NULL: everything */
	bool follow;
	uint64_t since, until; /* ns since 1970; 0, UINT64_MAX: none */
	uint64_t cursor, end;  /* sequence numbers; end: UINT64_MAX if it follows */
	uint64_t left;         /* flows still to be sent; UINT64_MAX: no limit */
	uint64_t loss;         /* next of flows->losses */
};

static void get_flows_free(void *data)
{
	struct get_flows *get = data;

	if (get->link) {
		*get->link = get->next;
		if (get->next)
			get->next->link = get->link;
	}
	flow_filter_free(get->filter);
	flow_mask_free(get->mask);
	free(get);
}

static void get_flows_freep(struct get_flows **get)
{
	if (*get)
		get_flows_free(*get);
}

static int send_response(struct get_flows *get, Observer__GetFlowsResponse *response)
{
	uint8_t *room;
	int r = grpc_call_reserve(get->call,
				  observer__get_flows_response__get_packed_size(response), &room);

	if (r == 0)
		observer__get_flows_response__pack(response, room);
	observer__get_flows_response__free_unpacked(response, NULL);
	return r;
}

static int send_lost(struct get_flows *get, Flow__LostEventSource source, uint64_t count,
		     uint64_t time)
{
	Observer__GetFlowsResponse *response;
	int r = flow_lost_response(source, count, flow_names_node(get->flows->names), time,
				   &response);

	return r < 0 ? r : send_response(get, response);
}

static int send_record(struct get_flows *get, const struct flow_record *record)
{
	Observer__GetFlowsResponse *response;
	int r = flow_to_response(record, get->flows->names, get->mask, &response);

	return r < 0 ? r : send_response(get, response);
}

/* Tells the next loss that lies before the cursor. 1: there was one; 0: none; -errno. */
static int tell_loss(struct get_flows *get)
{
	struct observer_flows *flows = get->flows;
	uint64_t oldest = flows->loss_count - MIN(flows->loss_count, (uint64_t)GET_FLOWS_LOSSES);
	size_t at;

	get->loss = MAX(get->loss, oldest);
	at = get->loss % GET_FLOWS_LOSSES;
	if (get->loss == flows->loss_count || flows->losses[at].before > get->cursor)
		return 0;
	get->loss++;
	if (flows->losses[at].time < get->since || flows->losses[at].time > get->until)
		return 1;
	return send_lost(get, FLOW__LOST_EVENT_SOURCE__PERF_EVENT_RING_BUFFER,
			 flows->losses[at].count, flows->losses[at].time)
		       ?: 1;
}

/* One step: a loss told, a record sent or passed over. 1: go on; 0: nothing more for now; -ENODATA:
 * the call is complete; other -errno: it failed. */
static int step(struct get_flows *get)
{
	const struct flow_record *record;
	uint64_t missed = 0;
	int r = tell_loss(get);

	if (r)
		return r;
	if (!get->left || get->cursor >= get->end)
		return -ENODATA;
	record = flow_ring_next(get->flows->ring, &get->cursor, &missed);
	if (missed) { /* the record stays for the next step, after the news */
		if (record)
			get->cursor--;
		return send_lost(get, FLOW__LOST_EVENT_SOURCE__HUBBLE_RING_BUFFER, missed,
				 record ? record->time : 0)
			       ?: 1;
	}
	if (!record)
		return get->follow ? 0 : -ENODATA;
	if (record->time > get->until)
		return -ENODATA;
	if (record->time < get->since || !flow_filter_match(get->filter, get->flows->names, record))
		return 1;
	r = send_record(get, record);
	if (r < 0)
		return r;
	if (get->left != UINT64_MAX)
		get->left--;
	return 1;
}

static void on_ready(struct grpc_call *call, void *data)
{
	struct get_flows *get = data;
	int r = 1;

	for (unsigned int i = 0; i < SCAN_A_TURN && r > 0; i++) {
		if (!grpc_call_has_room(call))
			return;
		r = step(get);
	}
	if (r > 0)
		grpc_call_wake(call);
	else if (r == -ENODATA)
		grpc_call_finish(call, GRPC_OK, NULL);
	else if (r < 0)
		grpc_call_finish(call, GRPC_INTERNAL, "flow cannot be sent");
}

static uint64_t time_of(const Google__Protobuf__Timestamp *time, uint64_t none)
{
	if (!time)
		return none;
	if (time->seconds < 0)
		return 0;
	if (time->seconds > INT64_MAX / 1000000000)
		return UINT64_MAX;
	return (uint64_t)time->seconds * 1000000000 + (uint64_t)MAX(time->nanos, 0);
}

static bool matches(const struct flow_record *record, void *data)
{
	const struct get_flows *get = data;

	return record->time <= get->until &&
	       flow_filter_match(get->filter, get->flows->names, record);
}

/* Passes over losses that lie before the first flow that is wanted. */
static void skip_losses(struct get_flows *get)
{
	const struct observer_flows *flows = get->flows;
	bool from_start = get->cursor == flow_ring_oldest(flows->ring);

	for (; get->loss < flows->loss_count; get->loss++) {
		uint64_t before = flows->losses[get->loss % GET_FLOWS_LOSSES].before;

		if (before > get->cursor || (before == get->cursor && (from_start || get->since)))
			return;
	}
}

/* Where the call starts and how much it wants; see the header of observer_service.h. */
static void set_range(struct get_flows *get, const Observer__GetFlowsRequest *request)
{
	struct flow_ring *ring = get->flows->ring;
	uint64_t head = flow_ring_head(ring);

	get->since = time_of(request->since, 0);
	get->until = time_of(request->until, UINT64_MAX);
	get->follow = request->follow;
	get->end = request->follow ? UINT64_MAX : head;
	get->left = request->number && !request->follow ? request->number : UINT64_MAX;
	if (request->since)
		get->cursor = flow_ring_since(ring, get->since);
	else if (request->first || (!request->number && !request->follow))
		get->cursor = flow_ring_oldest(ring);
	else if (!request->number)
		get->cursor = head;
	else
		get->cursor = flow_ring_rewind(ring, head, request->number, matches, get);
	skip_losses(get);
	if (request->follow && !request->number && !request->since)
		get->loss = get->flows->loss_count;
}

static int set_mask(struct get_flows *get, const Observer__GetFlowsRequest *request,
		    struct diag *diag)
{
	const Google__Protobuf__FieldMask *mask = request->field_mask;

	if (!mask && request->experimental)
		mask = request->experimental->field_mask;
	if (!mask || !mask->n_paths)
		return 0;
	return flow_mask_new(mask->paths, mask->n_paths, diag, &get->mask);
}

static int build(struct get_flows *get, const Observer__GetFlowsRequest *request, struct diag *diag)
{
	int r;

	if (request->first && request->follow)
		return diag_set(diag, NULL, 0, "first cannot be used together with follow");
	r = flow_filter_new(request->whitelist, request->n_whitelist, request->blacklist,
			    request->n_blacklist, 0, diag, &get->filter);
	if (r < 0)
		return r;
	r = set_mask(get, request, diag);
	if (r < 0)
		return r;
	set_range(get, request);
	return 0;
}

static void enlist(struct observer_flows *flows, struct get_flows *get)
{
	get->next = flows->calls;
	get->link = &flows->calls;
	if (get->next)
		get->next->link = &get->next;
	flows->calls = get;
}

void get_flows_start(struct observer_flows *flows, struct grpc_call *call, const void *request,
		     size_t size)
{
	_cleanup_(get_flows_freep) struct get_flows *get = calloc(1, sizeof(*get));
	Observer__GetFlowsRequest *message =
		observer__get_flows_request__unpack(NULL, size, request);
	struct diag diag = { 0 };
	int r = -ENOMEM;

	if (!message) {
		grpc_call_finish(call, GRPC_INVALID_ARGUMENT, "request is no GetFlowsRequest");
		return;
	}
	if (get) {
		get->flows = flows;
		get->call = call;
		r = build(get, message, &diag);
	}
	observer__get_flows_request__free_unpacked(message, NULL);
	if (r < 0) {
		grpc_call_finish(call,
				 r == -EINVAL ? GRPC_INVALID_ARGUMENT : GRPC_RESOURCE_EXHAUSTED,
				 diag_is_set(&diag) ? diag.text : "out of memory");
		return;
	}
	enlist(flows, get);
	grpc_call_on(call, on_ready, get_flows_free, take_ptr(get));
	grpc_call_wake(call);
}

void get_flows_lost(struct observer_flows *flows, uint64_t count, uint64_t time)
{
	size_t at = flows->loss_count++ % GET_FLOWS_LOSSES;

	flows->losses[at].before = flow_ring_head(flows->ring);
	flows->losses[at].count = count;
	flows->losses[at].time = time;
}

void get_flows_wake(struct observer_flows *flows)
{
	for (struct get_flows *get = flows->calls; get; get = get->next)
		if (get->follow)
			grpc_call_wake(get->call);
}

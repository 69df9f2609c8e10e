/* SPDX-License-Identifier: Apache-2.0 */
#include "observer_service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "get_flows.h"
#include "health.pb-c.h"
#include "observer.pb-c.h"
#include "seen_namespaces.h"

#define RATE_SECONDS 60

struct observer_service {
	struct observer_flows flows;
	struct seen_namespaces *namespaces;
	char *version;
	uint64_t started;            /* ns, CLOCK_MONOTONIC */
	uint64_t seconds;            /* ticks so far */
	uint64_t seen[RATE_SECONDS]; /* ring heads of the last minute's ticks */
	struct grpc_service services[2];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Sends one message and ends the call. */
static void reply(struct grpc_call *call, const ProtobufCMessage *message)
{
	uint8_t *room;
	int r = grpc_call_reserve(call, protobuf_c_message_get_packed_size(message), &room);

	if (r < 0) {
		grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "answer is too long");
		return;
	}
	protobuf_c_message_pack(message, room);
	grpc_call_finish(call, GRPC_OK, NULL);
}

/* Seen by flows per second over the last minute, or less after a start. */
static double rate(const struct observer_service *service)
{
	uint64_t span = MIN(service->seconds, (uint64_t)RATE_SECONDS - 1);
	uint64_t now = service->seen[service->seconds % RATE_SECONDS];
	uint64_t then = service->seen[(service->seconds - span) % RATE_SECONDS];

	return span ? (double)(now - then) / (double)span : 0;
}

static void start_status(struct grpc_call *call, const void *request, size_t size, void *context)
{
	Observer__ServerStatusResponse response = OBSERVER__SERVER_STATUS_RESPONSE__INIT;
	struct observer_service *service = context;

	response.num_flows = flow_ring_count(service->flows.ring);
	response.max_flows = flow_ring_capacity(service->flows.ring);
	response.seen_flows = flow_ring_head(service->flows.ring) - 1;
	response.uptime_ns = clock_ns(CLOCK_MONOTONIC) - service->started;
	response.version = service->version;
	response.flows_rate = rate(service);
	reply(call, &response.base);
}

static void start_nodes(struct grpc_call *call, const void *request, size_t size, void *context)
{
	grpc_call_finish(call, GRPC_UNIMPLEMENTED, "GetNodes is answered by relays only");
}

static void start_namespaces(struct grpc_call *call, const void *request, size_t size,
			     void *context)
{
	Observer__GetNamespacesResponse response = OBSERVER__GET_NAMESPACES_RESPONSE__INIT;
	struct observer_service *service = context;
	_cleanup_free_ Observer__Namespace *items = NULL;
	_cleanup_free_ Observer__Namespace **pointers = NULL;
	const char *const *names;
	size_t count = seen_namespaces_list(service->namespaces,
					    clock_ns(CLOCK_MONOTONIC) / 1000000000, &names);

	items = calloc(count + 1, sizeof(*items));
	pointers = calloc(count + 1, sizeof(Observer__Namespace *));
	if (!items || !pointers) {
		grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		observer__namespace__init(&items[i]);
		items[i].cluster = (char *)flow_names_cluster(service->flows.names);
		items[i].namespace_ = (char *)names[i];
		pointers[i] = &items[i];
	}
	response.namespaces = pointers;
	response.n_namespaces = count;
	reply(call, &response.base);
}

static void start_flows(struct grpc_call *call, const void *request, size_t size, void *context)
{
	struct observer_service *service = context;

	get_flows_start(&service->flows, call, request, size);
}

static const char *const healthy[] = { "", "hubble.server.Observer", "observer.Observer" };

static void start_check(struct grpc_call *call, const void *request, size_t size, void *context)
{
	Grpc__Health__V1__HealthCheckResponse response =
		GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	Grpc__Health__V1__HealthCheckRequest *check =
		grpc__health__v1__health_check_request__unpack(NULL, size, request);
	bool known = false;

	if (!check) {
		grpc_call_finish(call, GRPC_INVALID_ARGUMENT, "request is no HealthCheckRequest");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(healthy); i++)
		known |= strcmp(check->service, healthy[i]) == 0;
	grpc__health__v1__health_check_request__free_unpacked(check, NULL);
	if (!known) {
		grpc_call_finish(call, GRPC_NOT_FOUND, "unknown service");
		return;
	}
	response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	reply(call, &response.base);
}

static const struct grpc_method observer_methods[] = {
	{ "/observer.Observer/GetFlows", start_flows },
	{ "/observer.Observer/GetNamespaces", start_namespaces },
	{ "/observer.Observer/GetNodes", start_nodes },
	{ "/observer.Observer/ServerStatus", start_status },
	{ NULL, NULL },
};

static const struct grpc_method health_methods[] = {
	{ "/grpc.health.v1.Health/Check", start_check },
	{ NULL, NULL },
};

int observer_service_new(const struct observer_options *options, struct observer_service **ret)
{
	_cleanup_(observer_service_freep) struct observer_service *service =
		calloc(1, sizeof(*service));
	int r;

	if (!service)
		return -ENOMEM;
	service->flows.ring = options->ring;
	service->flows.names = options->names;
	service->started = clock_ns(CLOCK_MONOTONIC);
	service->seen[0] = flow_ring_head(options->ring);
	service->version = strdup(options->version);
	if (!service->version)
		return -ENOMEM;
	r = seen_namespaces_new(&service->namespaces);
	if (r < 0)
		return r;
	service->services[0] = (struct grpc_service){ observer_methods, service };
	service->services[1] = (struct grpc_service){ health_methods, service };
	*ret = take_ptr(service);
	return 0;
}

void observer_service_free(struct observer_service *service)
{
	if (!service)
		return;
	seen_namespaces_free(service->namespaces);
	free(service->version);
	free(service);
}

const struct grpc_service *observer_service_services(struct observer_service *service,
						     size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(service->services);
	return service->services;
}

void observer_service_push(struct observer_service *service, struct flow_record *record)
{
	uint64_t second = service->seconds + service->started / 1000000000;

	seen_namespaces_note(service->namespaces, record->endpoint[0], second);
	seen_namespaces_note(service->namespaces, record->endpoint[1], second);
	flow_ring_push(service->flows.ring, record);
}

void observer_service_lost(struct observer_service *service, uint64_t count)
{
	get_flows_lost(&service->flows, count, clock_ns(CLOCK_REALTIME));
	get_flows_wake(&service->flows);
}

void observer_service_wake(struct observer_service *service)
{
	get_flows_wake(&service->flows);
}

void observer_service_tick(struct observer_service *service)
{
	service->seconds++;
	service->seen[service->seconds % RATE_SECONDS] = flow_ring_head(service->flows.ring);
}

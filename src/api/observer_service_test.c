/* SPDX-License-Identifier: Apache-2.0 */
/* observer.Observer as a client sees it: the service on a loop in a thread of its own. */
#include "observer_service.h"

#include "flow/test_names.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "api/grpc_client.h"
#include "api/grpc_server.h"
#include "health.pb-c.h"
#include "observer.pb-c.h"

#define WAIT_MS  5000
#define CAPACITY 64
#define SECOND   UINT64_C(1000000000)

struct fixture {
	char dir[32], url[64];
	uv_loop_t loop;
	uv_async_t async;
	pthread_t thread;
	sem_t done;
	void (*job)(struct fixture *f); /* run by the loop; NULL: stop */
	unsigned int argument;
	struct flow_ring *ring;
	struct flow_names *names;
	struct observer_service *service;
	struct grpc_server *server;
	struct grpc_client *client;
};

/* Flow number n: n seconds after the start, from port n; every third one dropped. */
static void push(struct fixture *f, unsigned int n)
{
	struct flow_record records[FLOW_RECORDS_PER_EVENT];
	struct td_event event = syn_event();

	event.time = n * SECOND;
	event.port[0] = htons((uint16_t)n);
	if (n % 3 == 0) {
		event.kind = TD_EVENT_DROP;
		event.reason = 133;
	}
	assert_int_equal(flow_decode(f->names, &event, sizeof(event), 0, records), 1);
	observer_service_push(f->service, &records[0]);
}

static void on_async(uv_async_t *async)
{
	struct fixture *f = async->data;

	if (f->job) {
		f->job(f);
	} else {
		grpc_server_free(f->server);
		uv_close((uv_handle_t *)async, NULL);
	}
	sem_post(&f->done);
}

static void *run_loop(void *data)
{
	struct fixture *f = data;

	uv_run(&f->loop, UV_RUN_DEFAULT);
	return NULL;
}

static void run_job(struct fixture *f, void (*job)(struct fixture *f), unsigned int argument)
{
	f->job = job;
	f->argument = argument;
	uv_async_send(&f->async);
	sem_wait(&f->done);
}

static void push_many(struct fixture *f)
{
	for (unsigned int n = 1; n <= f->argument; n++)
		push(f, n);
	observer_service_wake(f->service);
}

static void count_calls(struct fixture *f)
{
	struct grpc_server_stats stats;

	grpc_server_stats(f->server, &stats);
	f->argument = stats.calls;
}

static void lose_some(struct fixture *f)
{
	observer_service_lost(f->service, f->argument);
}

static void setup_service(struct fixture *f, unsigned int flows)
{
	struct grpc_server_options server = { .limits = grpc_limits_default };
	struct observer_options options = { .version = "test 1.2" };
	struct diag diag = { 0 };
	char path[48];

	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/td-observer-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(path, sizeof(path), "%s/s", f->dir);
	snprintf(f->url, sizeof(f->url), "unix://%s", path);
	f->names = world_names();
	assert_int_equal(flow_ring_new(CAPACITY, &f->ring), 0);
	options.names = f->names;
	options.ring = f->ring;
	assert_int_equal(observer_service_new(&options, &f->service), 0);
	server.services = observer_service_services(f->service, &server.service_count);
	sem_init(&f->done, 0, 0);
	uv_loop_init(&f->loop);
	uv_async_init(&f->loop, &f->async, on_async);
	f->async.data = f;
	assert_int_equal(grpc_server_new(&f->loop, &server, &f->server), 0);
	assert_int_equal(grpc_server_listen_unix(f->server, path, 0600, (gid_t)-1, &diag), 0);
	f->argument = flows;
	push_many(f);
	pthread_create(&f->thread, NULL, run_loop, f);
	assert_int_equal(grpc_client_new(f->url, WAIT_MS, &f->client), 0);
}

static void teardown_service(struct fixture *f)
{
	char path[48];

	grpc_client_free(f->client);
	run_job(f, NULL, 0);
	pthread_join(f->thread, NULL);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	observer_service_free(f->service);
	flow_ring_free(f->ring);
	flow_names_free(f->names);
	sem_destroy(&f->done);
	snprintf(path, sizeof(path), "%s/s", f->dir);
	unlink(path);
	rmdir(f->dir);
}

static ProtobufCMessage *from_json(const ProtobufCMessageDescriptor *type, const char *json)
{
	ProtobufCMessage *message;
	struct diag diag = { 0 };

	if (proto_json_parse(type, json, strlen(json), 0, &diag, &message) < 0)
		fail_msg("%s: %s", json, diag.text);
	return message;
}

/* Begins GetFlows with a request in JSON. */
static void get_flows(struct fixture *f, const char *json)
{
	ProtobufCMessage *request = from_json(&observer__get_flows_request__descriptor, json);
	uint8_t bytes[1024];
	size_t size = protobuf_c_message_pack(request, bytes);

	assert_int_equal(
		grpc_client_start(f->client, "/observer.Observer/GetFlows", bytes, size, 0), 0);
	protobuf_c_message_free_unpacked(request, NULL);
}

static Observer__GetFlowsResponse *next_response(struct fixture *f)
{
	Observer__GetFlowsResponse *response;
	const uint8_t *bytes;
	size_t size;
	int r = grpc_client_receive(f->client, WAIT_MS, &bytes, &size);

	if (r == 0)
		return NULL;
	assert_int_equal(r, 1);
	response = observer__get_flows_response__unpack(NULL, size, bytes);
	assert_non_null(response);
	return response;
}

static bool is_lost(const Observer__GetFlowsResponse *response)
{
	return response->response_types_case ==
	       OBSERVER__GET_FLOWS_RESPONSE__RESPONSE_TYPES_LOST_EVENTS;
}

/* The ports of all flows to come, and "lost:N". */
static void describe_rest(struct fixture *f, char *text, size_t size)
{
	Observer__GetFlowsResponse *response;
	size_t len = 0;

	text[0] = '\0';
	while ((response = next_response(f))) {
		const char *blank = len ? " " : "";

		if (is_lost(response))
			len += (size_t)snprintf(
				text + len, size - len, "%slost:%u", blank,
				(unsigned int)response->lost_events->num_events_lost);
		else
			len += (size_t)snprintf(text + len, size - len, "%s%u", blank,
						response->flow->l4->tcp->source_port);
		observer__get_flows_response__free_unpacked(response, NULL);
		assert_true(len < size);
	}
}

static const struct range_case {
	const char *name, *request, *want;
} ranges[] = {
	{ "everything", "{}", "1 2 3 4 5 6 7 8 9 10" },
	{ "the last ones", "{\"number\":3}", "8 9 10" },
	{ "more than there are", "{\"number\":300}", "1 2 3 4 5 6 7 8 9 10" },
	{ "the first ones", "{\"number\":3,\"first\":true}", "1 2 3" },
	{ "the last that match", "{\"number\":2,\"whitelist\":[{\"verdict\":[\"DROPPED\"]}]}",
	  "6 9" },
	{ "the first that match",
	  "{\"number\":2,\"first\":true,\"whitelist\":[{\"verdict\":[\"DROPPED\"]}]}", "3 6" },
	{ "lists are alternatives",
	  "{\"whitelist\":[{\"source_port\":[\"2\"]},{\"source_port\":[\"4\",\"5\"]}]}", "2 4 5" },
	{ "fields of a filter go together",
	  "{\"whitelist\":[{\"source_port\":[\"2\",\"3\"],\"verdict\":[\"DROPPED\"]}]}", "3" },
	{ "less what is on the blacklist",
	  "{\"whitelist\":[{\"source_pod\":[\"default/xwing\"]}],"
	  "\"blacklist\":[{\"verdict\":[\"FORWARDED\"]}]}",
	  "3 6 9" },
	{ "since", "{\"since\":\"1970-01-01T00:00:08Z\"}", "8 9 10" },
	{ "since beats first", "{\"since\":\"1970-01-01T00:00:08Z\",\"first\":true,\"number\":2}",
	  "8 9" },
	{ "until", "{\"until\":\"1970-01-01T00:00:02.5Z\"}", "1 2" },
	{ "between", "{\"since\":\"1970-01-01T00:00:04Z\",\"until\":\"1970-01-01T00:00:06Z\"}",
	  "4 5 6" },
	{ "the last before", "{\"number\":2,\"until\":\"1970-01-01T00:00:06Z\"}", "5 6" },
	{ "nothing matches", "{\"whitelist\":[{\"source_pod\":[\"other/\"]}]}", "" },
};

static void requests_select_flows_as_hubble_does(void **state)
{
	struct fixture f;
	char text[512];

	setup_service(&f, 10);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		print_message("%s\n", ranges[i].name);
		get_flows(&f, ranges[i].request);
		describe_rest(&f, text, sizeof(text));
		assert_string_equal(text, ranges[i].want);
		assert_int_equal(grpc_client_status(f.client, NULL), GRPC_OK);
	}
	teardown_service(&f);
}

static const struct bad_case {
	const char *request, *text; /* a part of the message */
} bad[] = {
	{ "{\"first\":true,\"follow\":true}", "first" },
	{ "{\"whitelist\":[{\"source_ip\":[\"not an address\"]}]}", "source_ip" },
	{ "{\"blacklist\":[{\"source_label\":[\"a in (\"]}]}", "source_label" },
};

static void wrong_requests_are_refused_by_name(void **state)
{
	struct fixture f;
	const char *text;

	setup_service(&f, 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		get_flows(&f, bad[i].request);
		assert_null(next_response(&f));
		assert_int_equal(grpc_client_status(f.client, &text), GRPC_INVALID_ARGUMENT);
		if (!strstr(text, bad[i].text))
			fail_msg("'%s' does not name %s", text, bad[i].text);
	}
	assert_int_equal(
		grpc_client_start(f.client, "/observer.Observer/GetFlows", "\xff\xff", 2, 0), 0);
	assert_null(next_response(&f));
	assert_int_equal(grpc_client_status(f.client, NULL), GRPC_INVALID_ARGUMENT);
	teardown_service(&f);
}

static void field_mask_keeps_what_it_names(void **state)
{
	struct fixture f;
	Observer__GetFlowsResponse *response;
	Observer__GetFlowsRequest request = OBSERVER__GET_FLOWS_REQUEST__INIT;
	Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
	char *paths[] = { (char *)"source.pod_name", (char *)"IP" },
	     *wrong[] = { (char *)"nonsense" };
	uint8_t bytes[128];
	const char *text;

	setup_service(&f, 1);
	request.field_mask = &mask;
	mask.paths = paths;
	mask.n_paths = 2;
	grpc_client_start(f.client, "/observer.Observer/GetFlows", bytes,
			  observer__get_flows_request__pack(&request, bytes), 0);
	response = next_response(&f);
	assert_string_equal(response->flow->source->pod_name, "xwing");
	assert_string_equal(response->flow->ip->source, "10.0.0.7");
	assert_string_equal(response->flow->source->namespace_, "");
	assert_null(response->flow->destination);
	assert_null(response->flow->l4);
	assert_string_equal(response->node_name, "c1/n1");
	observer__get_flows_response__free_unpacked(response, NULL);
	mask.paths = wrong;
	mask.n_paths = 1;
	grpc_client_start(f.client, "/observer.Observer/GetFlows", bytes,
			  observer__get_flows_request__pack(&request, bytes), 0);
	assert_null(next_response(&f));
	assert_int_equal(grpc_client_status(f.client, &text), GRPC_INVALID_ARGUMENT);
	assert_non_null(strstr(text, "nonsense"));
	teardown_service(&f);
}

static void expect_port(struct fixture *f, unsigned int port)
{
	Observer__GetFlowsResponse *response = next_response(f);

	assert_non_null(response);
	assert_false(is_lost(response));
	assert_int_equal(response->flow->l4->tcp->source_port, port);
	observer__get_flows_response__free_unpacked(response, NULL);
}

static void expect_lost(struct fixture *f, Flow__LostEventSource source, uint64_t count)
{
	Observer__GetFlowsResponse *response = next_response(f);

	assert_non_null(response);
	assert_true(is_lost(response));
	assert_int_equal(response->lost_events->source, source);
	assert_int_equal(response->lost_events->num_events_lost, count);
	observer__get_flows_response__free_unpacked(response, NULL);
}

/* True once a flow has arrived; takes everything there is. */
static bool is_following(struct fixture *f)
{
	const uint8_t *bytes;
	bool found = false;
	size_t size;

	while (grpc_client_receive(f->client, 100, &bytes, &size) == 1)
		found = true;
	return found;
}

static void who_follows_sees_what_happens_next(void **state)
{
	struct fixture f;

	setup_service(&f, 10);
	get_flows(&f, "{\"follow\":true}");
	do
		run_job(&f, count_calls, 0);
	while (!f.argument);
	assert_false(is_following(&f)); /* what was before is not shown */
	run_job(&f, push_many, 2);
	expect_port(&f, 1);
	expect_port(&f, 2);
	run_job(&f, lose_some, 17);
	expect_lost(&f, FLOW__LOST_EVENT_SOURCE__PERF_EVENT_RING_BUFFER, 17);
	assert_false(is_following(&f));
	teardown_service(&f);
}

static void who_follows_may_begin_earlier(void **state)
{
	struct fixture f;

	setup_service(&f, 10);
	get_flows(&f, "{\"follow\":true,\"number\":2}");
	expect_port(&f, 9);
	expect_port(&f, 10);
	run_job(&f, push_many, 1);
	expect_port(&f, 1);
	teardown_service(&f);
}

static void losses_stand_where_they_happened(void **state)
{
	struct fixture f;
	char text[128];

	setup_service(&f, 2);
	run_job(&f, lose_some, 5);
	run_job(&f, push_many, 1);
	get_flows(&f, "{}");
	describe_rest(&f, text, sizeof(text));
	assert_string_equal(text, "1 2 lost:5 1");
	get_flows(&f, "{\"number\":1}"); /* before what was asked for */
	describe_rest(&f, text, sizeof(text));
	assert_string_equal(text, "1");
	teardown_service(&f);
}

static void slow_reader_is_told_exactly_how_many_it_missed(void **state)
{
	enum { TURNS = 200, EACH = 50 };
	Observer__GetFlowsResponse *response;
	uint64_t flows = 0, lost = 0;
	struct fixture f;

	setup_service(&f, 0);
	get_flows(&f, "{\"follow\":true}");
	for (unsigned int n = 0; !is_following(&f) && n < 50; n++)
		run_job(&f, push_many, 1);
	for (unsigned int i = 0; i < TURNS; i++)
		run_job(&f, push_many, EACH);
	while (flows + lost < TURNS * EACH) {
		response = next_response(&f);
		assert_non_null(response);
		if (!is_lost(response)) {
			flows++;
		} else {
			assert_int_equal(response->lost_events->source,
					 FLOW__LOST_EVENT_SOURCE__HUBBLE_RING_BUFFER);
			lost += response->lost_events->num_events_lost;
		}
		observer__get_flows_response__free_unpacked(response, NULL);
	}
	assert_int_equal(flows + lost, TURNS * EACH);
	assert_true(lost > 0);
	teardown_service(&f);
}

static enum grpc_status check_health(struct fixture *f, const char *service, int *ret)
{
	Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	Grpc__Health__V1__HealthCheckResponse *response;
	const uint8_t *reply;
	uint8_t bytes[64];
	size_t size;
	int r;

	request.service = (char *)service;
	size = grpc__health__v1__health_check_request__pack(&request, bytes);
	r = grpc_client_call(f->client, "/grpc.health.v1.Health/Check", bytes, size, WAIT_MS,
			     &reply, &size);
	if (r == 0) {
		response = grpc__health__v1__health_check_response__unpack(NULL, size, reply);
		*ret = (int)response->status;
		grpc__health__v1__health_check_response__free_unpacked(response, NULL);
	}
	return grpc_client_status(f->client, NULL);
}

static void health_is_told_for_services_that_are_here(void **state)
{
	struct fixture f;
	int status = -1;

	setup_service(&f, 0);
	assert_int_equal(check_health(&f, "", &status), GRPC_OK);
	assert_int_equal(status, 1);
	status = -1;
	assert_int_equal(check_health(&f, "hubble.server.Observer", &status), GRPC_OK);
	assert_int_equal(status, 1);
	assert_int_equal(check_health(&f, "other", &status), GRPC_NOT_FOUND);
	teardown_service(&f);
}

static void status_counts_flows(void **state)
{
	Observer__ServerStatusResponse *response;
	const uint8_t *reply;
	struct fixture f;
	size_t size;

	setup_service(&f, CAPACITY + 36);
	assert_int_equal(grpc_client_call(f.client, "/observer.Observer/ServerStatus", NULL, 0,
					  WAIT_MS, &reply, &size),
			 0);
	response = observer__server_status_response__unpack(NULL, size, reply);
	assert_int_equal(response->num_flows, CAPACITY);
	assert_int_equal(response->max_flows, CAPACITY);
	assert_int_equal(response->seen_flows, CAPACITY + 36);
	assert_string_equal(response->version, "test 1.2");
	assert_null(response->num_connected_nodes);
	observer__server_status_response__free_unpacked(response, NULL);
	teardown_service(&f);
}

static void namespaces_of_flows_are_listed(void **state)
{
	Observer__GetNamespacesResponse *response;
	const uint8_t *reply;
	struct fixture f;
	size_t size;

	setup_service(&f, 3);
	assert_int_equal(grpc_client_call(f.client, "/observer.Observer/GetNamespaces", NULL, 0,
					  WAIT_MS, &reply, &size),
			 0);
	response = observer__get_namespaces_response__unpack(NULL, size, reply);
	assert_int_equal(response->n_namespaces, 1);
	assert_string_equal(response->namespaces[0]->namespace_, "default");
	assert_string_equal(response->namespaces[0]->cluster, "c1");
	observer__get_namespaces_response__free_unpacked(response, NULL);
	assert_int_equal(grpc_client_call(f.client, "/observer.Observer/GetNodes", NULL, 0, WAIT_MS,
					  &reply, &size),
			 -EREMOTEIO);
	assert_int_equal(grpc_client_status(f.client, NULL), GRPC_UNIMPLEMENTED);
	teardown_service(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_select_flows_as_hubble_does),
		cmocka_unit_test(wrong_requests_are_refused_by_name),
		cmocka_unit_test(field_mask_keeps_what_it_names),
		cmocka_unit_test(who_follows_sees_what_happens_next),
		cmocka_unit_test(who_follows_may_begin_earlier),
		cmocka_unit_test(losses_stand_where_they_happened),
		cmocka_unit_test(slow_reader_is_told_exactly_how_many_it_missed),
		cmocka_unit_test(health_is_told_for_services_that_are_here),
		cmocka_unit_test(status_counts_flows),
		cmocka_unit_test(namespaces_of_flows_are_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

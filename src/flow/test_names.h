/* SPDX-License-Identifier: Apache-2.0 */
/* test_names: a small world for the tests of this room: two pods, an identity outside, a service,
 * rules and an interface, told as tendrild would tell them. Included by tests only. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "abi/event.h"
#include "base/address.h"
#include "base/diag.h"
#include "base/util.h"
#include "flow/names.h"
#include "wire/proto_json.h"

#define XWING_ID     7
#define DEATHSTAR_ID 8
#define XWING        16092
#define DEATHSTAR    16081
#define RULE_ALLOW   16
#define RULE_DENY    17

/* Addresses: 10.0.0.7, 10.0.0.8, 172.20.0.1; fd00::7 as base64 of their v4-mapped form. */
static const char *const world[] = {
	"{\"hello\":{\"version\":\"0.1.0\",\"node_name\":\"n1\",\"cluster\":\"c1\","
	"\"node_labels\":[\"k8s:zone=a\"]}}",
	"{\"identity\":{\"number\":16092,\"labels\":[\"k8s:class=xwing\",\"k8s:org=alliance\"]}}",
	"{\"identity\":{\"number\":16081,\"labels\":[\"k8s:class=deathstar\",\"k8s:org=empire\"]}}",
	"{\"identity\":{\"number\":2,\"labels\":[\"reserved:world\"]}}",
	"{\"endpoint\":{\"id\":7,\"namespace\":\"default\",\"pod_name\":\"xwing\",\"identity\":16092,"
	"\"addresses\":[\"AAAAAAAAAAAAAP//CgAABw==\",\"/QAAAAAAAAAAAAAAAAAABw==\"],\"ifindex\":17,"
	"\"workload\":\"xwing\",\"workload_kind\":\"Deployment\"}}",
	"{\"endpoint\":{\"id\":8,\"namespace\":\"default\",\"pod_name\":\"deathstar-1\",\"identity\":"
	"16081,\"addresses\":[\"AAAAAAAAAAAAAP//CgAACA==\"],\"ifindex\":18}}",
	"{\"service\":{\"namespace\":\"default\",\"name\":\"deathstar\",\"frontends\":[{\"address\":"
	"\"AAAAAAAAAAAAAP//rBQAAQ==\",\"port\":80,\"protocol\":6}]}}",
	"{\"rule\":{\"number\":16,\"kind\":\"CiliumNetworkPolicy\",\"namespace\":\"default\",\"name\":"
	"\"rule1\",\"file\":\"policy.yaml\",\"line\":12}}",
	"{\"rule\":{\"number\":17,\"kind\":\"CiliumClusterwideNetworkPolicy\",\"name\":\"no-rebels\","
	"\"deny\":true,\"index\":3}}",
	"{\"interface\":{\"ifindex\":17,\"name\":\"td7\"}}",
	"{\"synced\":true}",
};

static inline int update_names(struct flow_names *names, const char *json)
{
	ProtobufCMessage *message;
	struct diag diag = { 0 };
	int r;

	if (proto_json_parse(&tendril__tables__update__descriptor, json, strlen(json), 0, &diag,
			     &message) < 0)
		fail_msg("%s: %s", json, diag.text);
	r = flow_names_update(names, (Tendril__Tables__Update *)message);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static inline struct flow_names *world_names(void)
{
	struct flow_names *names;

	assert_int_equal(flow_names_new(FLOW_DNS_MAX_DEFAULT, &names), 0);
	flow_names_begin(names);
	for (size_t i = 0; i < ARRAY_SIZE(world); i++)
		assert_int_equal(update_names(names, world[i]), 0);
	return names;
}

static inline struct td_addr addr_of(const char *text)
{
	struct td_addr addr;

	assert_int_equal(address_parse(text, &addr), 0);
	return addr;
}

/* A SYN from xwing to deathstar; tests change what they are about. */
static inline struct td_event syn_event(void)
{
	return (struct td_event){
		.time = 5000000000,
		.kind = TD_EVENT_TRACE,
		.point = TD_TO_ENDPOINT,
		.reason = TD_REASON_NEW,
		.protocol = IPPROTO_TCP,
		.tcp_flags = 0x02,
		.addr = { addr_of("10.0.0.7"), addr_of("10.0.0.8") },
		.port = { htons(49610), htons(80) },
		.identity = { XWING, DEATHSTAR },
		.endpoint_id = { XWING_ID, DEATHSTAR_ID },
		.rule = { 1, RULE_ALLOW },
		.match = 4 | 2 << 4,
		.ip_version = 4,
		.ifindex = 17,
		.mac = { { 0x0e, 0x54, 0, 0, 0, 7 }, { 0x0e, 0x54, 0, 0, 0, 0 } },
		.packets = { 1, 0 },
		.bytes = { 60, 0 },
		.socket_cookie = 99,
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* to_proto: a record as flow.Flow, as much of it as is asked for.
 *
 * In: struct flow_record, names, a field mask    Out: flow.Flow or observer.GetFlowsResponse
 * Owns: nothing    Thread: one
 *
 * `extensions` is an Any of google.protobuf.Struct (the only type hubble's JSON output can print):
 *   decision    text: which rule allowed or denied it, with its file and line, or that none allows
 *   connection  {packets_sent, packets_received, bytes_sent, bytes_received, closed}, as the
 *               initiator sees it; closed only if true */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "flow.pb-c.h"
#include "flow/mask.h"
#include "flow/record.h"
#include "observer.pb-c.h"

/* The caller frees with flow__flow__free_unpacked(ret, NULL). mask NULL: everything. -ENOMEM. */
int flow_to_proto(const struct flow_record *record, const struct flow_names *names,
		  const struct flow_mask *mask, Flow__Flow **ret);
/* With node_name and time; freed with observer__get_flows_response__free_unpacked(ret, NULL). */
int flow_to_response(const struct flow_record *record, const struct flow_names *names,
		     const struct flow_mask *mask, Observer__GetFlowsResponse **ret);
/* A LostEvent of the given source; time: ns since 1970. Freed in the same way. */
int flow_lost_response(Flow__LostEventSource source, uint64_t lost, const char *node, uint64_t time,
		       Observer__GetFlowsResponse **ret);

/* Text of a flow's policy decision: "allowed by KIND ns/name rule N (file:line)", "denied by ...",
 * "denied by default: ...", "audited, else denied ..."; "" if no policy decided. Returns the length as snprintf. */
int flow_decision_format(const struct flow_record *record, const struct flow_names *names,
			 char *buf, size_t size);
/* Hubble's Summary: "TCP Flags: SYN, ACK", "UDP", "ICMPv4 EchoRequest". As snprintf. */
int flow_summary_format(const struct flow_record *record, char *buf, size_t size);
#define FLOW_UUID_TEXT_MAX 37
/* A random-looking version 4 UUID, the same for a record for as long as this process runs. */
void flow_uuid_format(const struct flow_record *record, char buf[static FLOW_UUID_TEXT_MAX]);

/* SPDX-License-Identifier: Apache-2.0 */
#include "dry_run.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/config.h"
#include "abi/conntrack.h"
#include "abi/drop.h"
#include "abi/endpoint.h"
#include "abi/event.h"
#include "base/address.h"
#include "base/util.h"
#include "bpf/net.skel.h"
#include "bpf_log.h"
#include "cidr_map.h"
#include "first_packet.h"
#include "map_io.h"
#include "policy_map.h"

/* What programs of tc return (linux/pkt_cls.h). */
#define ACT_NEXT     (-1)
#define ACT_SHOT     2
#define ACT_REDIRECT 7

/* The pod's device is the loopback of the namespace: nothing is sent there. */
#define POD_IFINDEX 1
#define POD_ID      1
/* Connections that are remembered before all are forgotten, and the source port of the first. */
#define REMEMBERED_MAX 2048
#define FROM_MIN       32768
/* The prefix of addresses nobody told: no rule has it, and it is the longest. */
#define UNKNOWN_CIDR ((1u << 31) - 1)

/* Reserved for nobody's use: 240.0.0.0/4 (RFC 1112), 100::/64 (RFC 6666). */
static const char *const pod_text[2] = { "240.84.68.1", "100::5444:1" };
static const char *const unknown_text[2] = { "240.84.68.2", "100::5444:2" };

struct dry_run {
	int home_fd; /* the network namespace it was opened in; -1: still there */
	struct net_bpf *net;
	struct ring_buffer *ring;
	struct policy_map policy;
	struct map_mirror cidrs;
	struct td_config config;
	struct td_addr pod[2], unknown[2]; /* by family: IPv4, IPv6 */
	uint32_t subject;                  /* identity of the pod; 0: none yet */
	bool audited;                      /* it is in audit mode */
	struct td_addr peer;               /* that has a place; zero: nobody has */
	struct td_place place;
	unsigned int remembered;
	struct td_event event; /* the last one of the last run */
	size_t event_count;
};

/* ---- life */

static int enter_namespace(struct dry_run *run, struct diag *diag)
{
	_cleanup_close_ int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0 || unshare(CLONE_NEWNET) < 0) {
		int error = errno;

		diag_set(diag, NULL, 0, "needs root to load BPF programs: %s", strerror(error));
		return -error;
	}
	run->home_fd = take_fd(home);
	return 0;
}

static int take_event(void *data, void *record, size_t length)
{
	struct dry_run *run = data;

	memcpy(&run->event, record, MIN(length, sizeof(run->event)));
	run->event_count++;
	return 0;
}

/* Times do not matter: no packet is the second of its connection. */
static struct td_load_config load_config(void)
{
	return (struct td_load_config){
		.ct_tcp_syn = TD_TICKS(120),
		.ct_tcp_established = TD_TICKS(3600),
		.ct_tcp_closing = TD_TICKS(120),
		.ct_tcp_time_wait = TD_TICKS(120),
		.ct_tcp_reset = TD_TICKS(10),
		.ct_udp = TD_TICKS(30),
		.ct_udp_stream = TD_TICKS(120),
		.ct_icmp = TD_TICKS(30),
		.ct_other = TD_TICKS(600),
		.nat_port_min = 32768,
		.nat_port_max = 60999,
		.host_mac = { TD_POD_MAC0, TD_POD_MAC1 },
		.has_redirect_peer = 1,
	};
}

static int load(struct dry_run *run, struct diag *diag)
{
	struct td_load_config config = load_config();
	int r = 0;

	bpf_log_begin();
	run->net = net_bpf__open();
	if (!run->net)
		return diag_set(diag, NULL, 0, "cannot open the network programs: %s",
				strerror(errno));
	memcpy((void *)&run->net->rodata->load_config, &config, sizeof(config));
	r = bpf_map__set_max_entries(run->net->maps.td_ct, REMEMBERED_MAX);
	if (!r)
		r = bpf_map__set_max_entries(run->net->maps.td_ct_new, 2 * REMEMBERED_MAX);
	if (!r)
		r = bpf_map__set_max_entries(run->net->maps.td_nat, REMEMBERED_MAX);
	if (!r)
		r = bpf_map__set_max_entries(run->net->maps.td_ct_gc, 2 * REMEMBERED_MAX);
	if (!r)
		r = net_bpf__load(run->net);
	if (r == -EPERM || r == -EACCES)
		diag_set(diag, NULL, 0, "needs root to load BPF programs: %s%s%s", strerror(-r),
			 *bpf_log_text() ? ": " : "", bpf_log_text());
	else if (r < 0)
		diag_set(diag, NULL, 0, "cannot load the network programs: %s%s%s", strerror(-r),
			 *bpf_log_text() ? ": " : "", bpf_log_text());
	return r;
}

static int prepare(struct dry_run *run)
{
	run->ring = ring_buffer__new(bpf_map__fd(run->net->maps.td_events), take_event, run, NULL);
	if (!run->ring)
		return -errno;
	for (int family = 0; family < 2; family++) {
		address_parse(pod_text[family], &run->pod[family]);
		address_parse(unknown_text[family], &run->unknown[family]);
	}
	run->cidrs = MAP_MIRROR(struct td_cidr_key, uint32_t);
	run->cidrs.fd = bpf_map__fd(run->net->maps.td_cidr);
	dry_run_restart(run);
	return 0;
}

int dry_run_open(struct dry_run **ret, struct diag *diag)
{
	_cleanup_(dry_run_freep) struct dry_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return -ENOMEM;
	run->home_fd = -1;
	r = enter_namespace(run, diag);
	if (!r)
		r = load(run, diag);
	if (!r)
		r = prepare(run);
	if (r < 0) {
		diag_set(diag, NULL, 0, "cannot prepare the network programs: %s", strerror(-r));
		return r;
	}
	*ret = take_ptr(run);
	return 0;
}

void dry_run_free(struct dry_run *run)
{
	if (!run)
		return;
	ring_buffer__free(run->ring);
	policy_map_close(&run->policy);
	image_clear(&run->cidrs.have);
	net_bpf__destroy(run->net);
	/* It was the caller's until now, so it lets the caller in again. */
	if (run->home_fd >= 0 && setns(run->home_fd, CLONE_NEWNET) < 0)
		abort();
	closep(&run->home_fd);
	free(run);
}

/* ---- tables */

void dry_run_restart(struct dry_run *run)
{
	policy_map_close(&run->policy);
	policy_map_init(&run->policy, bpf_map__fd(run->net->maps.td_subject),
			bpf_map__fd(run->net->maps.td_policy),
			bpf_map__fd(run->net->maps.td_pol_class));
}

/* What was judged before is not judged by it. */
static int new_generation(struct dry_run *run)
{
	uint32_t zero = 0;

	run->config.generation++;
	return bpf_map_update_elem(bpf_map__fd(run->net->maps.td_config), &zero, &run->config,
				   BPF_ANY) < 0
		       ? -errno
		       : 0;
}

int dry_run_sync_policy(struct dry_run *run, const struct policy_subject *subjects, size_t count,
			bool all)
{
	int r = policy_map_sync(&run->policy, subjects, count, all);

	policy_map_reclaim(&run->policy);
	return r < 0 ? r : new_generation(run);
}

int dry_run_sync_cidrs(struct dry_run *run, const struct policy_cidr *cidrs, size_t count)
{
	_cleanup_free_ struct policy_cidr *all = calloc(count + 2, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	if (count)
		memcpy(all, cidrs, count * sizeof(*all));
	for (int family = 0; family < 2; family++)
		all[count + (size_t)family] = (struct policy_cidr){
			.prefix = { .addr = run->unknown[family], .length = family ? 128 : 32 },
			.identity = UNKNOWN_CIDR,
		};
	r = cidr_map_sync(&run->cidrs, all, count + 2);
	return r < 0 ? r : new_generation(run);
}

/* ---- places */

static int put_place(struct dry_run *run, const struct td_addr *addr, const struct td_place *place)
{
	int fd = bpf_map__fd(run->net->maps.td_addr_map);

	return bpf_map_update_elem(fd, addr, place, BPF_ANY) < 0 ? -errno : 0;
}

static int set_subject(struct dry_run *run, uint32_t identity, bool audited)
{
	const struct td_endpoint endpoint = {
		.id = POD_ID, .identity = identity, .ipv4 = run->pod[0], .ipv6 = run->pod[1]
	};
	const struct td_place place = { .identity = identity,
					.ifindex = POD_IFINDEX,
					.flags = audited ? TD_PLACE_AUDIT : 0,
					.endpoint_id = POD_ID };
	const uint32_t ifindex = POD_IFINDEX;
	int r = 0;

	if (run->subject == identity && run->audited == audited)
		return 0;
	if (bpf_map_update_elem(bpf_map__fd(run->net->maps.td_endpoint), &ifindex, &endpoint,
				BPF_ANY) < 0)
		r = -errno;
	for (int family = 0; !r && family < 2; family++)
		r = put_place(run, &run->pod[family], &place);
	run->subject = r ? 0 : identity;
	run->audited = audited;
	return r;
}

/* One peer has a place at a time; whoever is outside has none. */
static int set_peer(struct dry_run *run, const struct dry_run_question *question,
		    const struct td_addr *addr)
{
	const struct td_place place = {
		.identity = question->peer,
		.flags = question->peer == TD_ID_HOST ? TD_PLACE_HOST : 0,
	};
	bool same = address_compare(&run->peer, addr) == 0;
	int r;

	if (!address_is_zero(&run->peer) && (question->outside || !same)) {
		if (bpf_map_delete_elem(bpf_map__fd(run->net->maps.td_addr_map), &run->peer) < 0)
			return -errno;
		run->peer = (struct td_addr){ 0 };
		same = false;
	}
	if (question->outside || (same && memcmp(&place, &run->place, sizeof(place)) == 0))
		return 0;
	r = put_place(run, addr, &place);
	if (r < 0)
		return r;
	run->peer = *addr;
	run->place = place;
	return 0;
}

/* ---- packets */

static int forget(struct dry_run *run)
{
	_cleanup_(image_clear) struct image all = IMAGE(struct td_ct_key, struct td_ct);
	int fd = bpf_map__fd(run->net->maps.td_ct_new);
	int r = map_io_read(fd, &all);

	if (!r)
		r = map_io_delete(fd, &all);
	if (!r)
		run->remembered = 0;
	return r;
}

/* Connections of the same pair and port differ by their source port or identifier; ICMP messages
 * without one are told apart by their type alone. */
static int make_new(struct dry_run *run, const struct dry_run_question *question)
{
	bool echo = (question->protocol == IPPROTO_ICMP && question->port == 8) ||
		    (question->protocol == IPPROTO_ICMPV6 && question->port == 128);
	bool numbered = question->protocol != IPPROTO_ICMP && question->protocol != IPPROTO_ICMPV6;

	if (run->remembered == REMEMBERED_MAX || !(numbered || echo)) {
		int r = forget(run);

		if (r < 0)
			return r;
	}
	run->remembered++;
	return 0;
}

static struct first_packet packet_of(const struct dry_run *run,
				     const struct dry_run_question *question,
				     const struct td_addr *peer)
{
	bool in = question->direction == TD_INGRESS;
	struct first_packet packet = {
		.protocol = question->protocol,
		.from = (uint16_t)(FROM_MIN + run->remembered),
		.to = question->port,
	};
	const uint8_t pod_mac[6] = { TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, POD_ID };
	const uint8_t node_mac[6] = { TD_POD_MAC0, TD_POD_MAC1 };

	packet.addr[in] = run->pod[!address_is_ipv4(peer)];
	packet.addr[!in] = *peer;
	memcpy(packet.mac[in], pod_mac, 6);
	memcpy(packet.mac[!in], node_mac, 6);
	return packet;
}

static const struct bpf_program *program_of(const struct dry_run *run,
					    const struct dry_run_question *question)
{
	if (question->direction == TD_EGRESS)
		return run->net->progs.td_from_pod;
	return question->peer == TD_ID_HOST ? run->net->progs.td_to_pod
					    : run->net->progs.td_from_uplink;
}

static int run_packet(struct dry_run *run, const struct bpf_program *program,
		      const struct first_packet *packet, int *ret_action)
{
	uint8_t frame[FIRST_PACKET_MAX], left[FIRST_PACKET_MAX];
	struct __sk_buff skb = { .ifindex = POD_IFINDEX };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = left,
		    .data_size_out = sizeof(left), .ctx_in = &skb, .ctx_size_in = sizeof(skb),
		    .repeat = 1);
	int r;

	opts.data_size_in = (uint32_t)first_packet_build(packet, frame);
	run->event = (struct td_event){ 0 };
	run->event_count = 0;
	r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	if (r < 0)
		return r;
	*ret_action = (int)opts.retval;
	r = ring_buffer__consume(run->ring);
	return r < 0 ? r : 0;
}

/* ---- verdicts */

static bool is_allowed(const struct td_event *event, int action)
{
	return event->kind == TD_EVENT_TRACE && event->reason == TD_REASON_NEW &&
	       !(event->flags & (TD_EVENT_DENIED_EGRESS | TD_EVENT_DENIED_INGRESS)) &&
	       (action == ACT_NEXT || action == ACT_REDIRECT);
}

static bool is_denied(const struct td_event *event, unsigned int whose, int action)
{
	const unsigned int flags[2] = { TD_EVENT_DENIED_EGRESS, TD_EVENT_DENIED_INGRESS };

	return event->kind == TD_EVENT_DROP && event->flags & flags[whose] &&
	       !(event->flags & flags[!whose]) && action == ACT_SHOT &&
	       (event->reason == TD_DROP_POLICY_DENIED || event->reason == TD_DROP_POLICY_DENY ||
		event->reason == TD_DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION);
}

/* Whether the one event is about this question, and about nothing else. */
static bool is_about(const struct dry_run *run, const struct dry_run_question *question,
		     unsigned int whose)
{
	const struct td_event *event = &run->event;

	return run->event_count == 1 && event->protocol == question->protocol &&
	       event->identity[whose] == question->subject && event->endpoint_id[whose] == POD_ID &&
	       (question->outside || event->identity[!whose] == question->peer) &&
	       event->rule[whose] != TD_RULE_NONE && event->rule[!whose] == TD_RULE_NONE;
}

static int read_verdict(const struct dry_run *run, const struct dry_run_question *question,
			const char *program, int action, struct policy_decision *ret,
			struct diag *diag)
{
	const struct td_event *event = &run->event;
	unsigned int whose = question->direction == TD_INGRESS; /* 0: the sender */
	unsigned int match = event->match >> (4 * whose) & 15;
	bool passed = is_allowed(event, action), audited = passed && match & TD_MATCH_AUDIT;

	if (!is_about(run, question, whose) || !(passed || is_denied(event, whose, action))) {
		diag_set(
			diag, NULL, 0,
			"%s gave no verdict of policy: it returned %d with %zu events, the last of "
			"kind %u, reason %u, flags %#x, protocol %u, identities %u and %u, rules "
			"%u and %u",
			program, action, run->event_count, event->kind, event->reason, event->flags,
			event->protocol, event->identity[0], event->identity[1], event->rule[0],
			event->rule[1]);
		return -EPROTO;
	}
	*ret = (struct policy_decision){
		.allowed = passed && !audited,
		.audited = audited,
		.rule = event->rule[whose],
		.match = (enum td_match)(match & ~TD_MATCH_AUDIT),
	};
	return 0;
}

static int check_addresses(const struct dry_run *run, const struct dry_run_question *question,
			   const struct td_addr *peer, struct diag *diag)
{
	bool ipv4 = address_is_ipv4(peer);

	if (address_compare(peer, &run->pod[!ipv4]) == 0 ||
	    (peer == &question->addr && address_compare(peer, &run->unknown[!ipv4]) == 0))
		return diag_set(diag, NULL, 0,
				"found a peer with an address that the dry run uses itself "
				"(240.84.68.1 and .2, 100::5444:1 and :2)");
	return 0;
}

int dry_run_judge(struct dry_run *run, const struct dry_run_question *question,
		  struct policy_decision *ret, struct diag *diag)
{
	const struct bpf_program *program = program_of(run, question);
	const struct td_addr *peer =
		address_is_zero(&question->addr) ? &run->unknown[question->ipv6] : &question->addr;
	struct first_packet packet;
	int action = 0, r = check_addresses(run, question, peer, diag);

	if (r < 0)
		return r;
	r = set_subject(run, question->subject, question->audited);
	if (!r)
		r = set_peer(run, question, peer);
	if (!r)
		r = make_new(run, question);
	if (!r) {
		packet = packet_of(run, question, peer);
		r = run_packet(run, program, &packet, &action);
	}
	if (r < 0) {
		diag_set(diag, NULL, 0, "%s could not be run: %s", bpf_program__name(program),
			 strerror(-r));
		return r;
	}
	return read_verdict(run, question, bpf_program__name(program), action, ret, diag);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TABLE_OPEN 1

static const uint8_t host_mac[6] = { 0x0e, 0x54, 0, 0, 0, 0 };

/* In a network namespace that dies with this process. */
static const char *const setup[] = {
	"ip link set lo up",
	"ip link add td1 type veth peer name pod1",
	"ip link add td2 type veth peer name pod2",
	"ip link add up0 type veth peer name out0",
	"ip link set td1 up && ip link set pod1 up",
	"ip link set td2 up && ip link set pod2 up",
	"ip link set up0 up && ip link set out0 up",
	"ip addr add 192.0.2.1/24 dev up0",
	"ip -6 addr add 2001:db8:1::1/64 dev up0 nodad",
	"ip route add default via 192.0.2.254",
	"ip -6 route add default via 2001:db8:1::fe",
	"ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:fe dev up0",
	"ip neigh add 2001:db8:1::fe lladdr 02:00:00:00:00:fe dev up0",
	"echo 1 > /proc/sys/net/ipv4/conf/all/forwarding",
	"echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
};

static void enter_namespace(void)
{
	static bool entered;

	if (entered)
		return;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	for (size_t i = 0; i < sizeof(setup) / sizeof(setup[0]); i++)
		if (system(setup[i]) != 0)
			fail_msg("cannot make the test's network: %s", setup[i]);
	entered = true;
}

const char *world_missing(void)
{
	if (geteuid() != 0)
		return "needs root to load BPF programs";
	if (system("ip -V >/dev/null 2>&1") != 0)
		return "needs ip (iproute2)";
	return NULL;
}

static struct td_cover cover(const char *address, unsigned int length)
{
	struct td_cover ret = { .addr = world_address(address) };

	for (unsigned int i = 0; i < length; i++)
		ret.mask.bytes[i / 8] |= 0x80 >> i % 8;
	return ret;
}

struct td_load_config world_load_config(void)
{
	struct td_load_config load = {
		.ct_tcp_syn = TD_TICKS(120),
		.ct_tcp_established = TD_TICKS(432000),
		.ct_tcp_closing = TD_TICKS(120),
		.ct_tcp_time_wait = TD_TICKS(120),
		.ct_tcp_reset = TD_TICKS(10),
		.ct_udp = TD_TICKS(30),
		.ct_udp_stream = TD_TICKS(120),
		.ct_icmp = TD_TICKS(30),
		.ct_other = TD_TICKS(600),
		.nat_port_min = 40000,
		.nat_port_max = 40999,
		.drop_report_interval = TD_TICKS(30),
		.has_redirect_peer = 1,
		.pods_ipv4 = cover("10.0.0.0", 96 + 24),
		.pods_ipv6 = cover("fd00::", 64),
	};

	memcpy(load.host_mac, host_mac, 6);
	return load;
}

struct td_addr world_address(const char *text)
{
	struct td_addr ret = {};

	if (strchr(text, ':')) {
		assert_int_equal(inet_pton(AF_INET6, text, &ret), 1);
		return ret;
	}
	ret.words[2] = TD_V4_MAPPED;
	assert_int_equal(inet_pton(AF_INET, text, &ret.words[3]), 1);
	return ret;
}

int world_map(const struct world *world, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(world->skel->obj, name);

	if (fd < 0)
		fail_msg("no map %s", name);
	return fd;
}

static void put(struct world *world, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(world_map(world, map), key, value, BPF_ANY) < 0)
		fail_msg("cannot write to %s: %s", map, strerror(errno));
}

static void write_config(struct world *world, uint32_t flags, uint32_t report_interval)
{
	struct td_config config = {
		.generation = world->generation,
		.flags = flags,
		.report_interval = report_interval,
	};
	uint32_t zero = 0;

	put(world, "td_config", &zero, &config);
}

void world_config(struct world *world, uint32_t flags, uint32_t report_interval)
{
	write_config(world, flags, report_interval);
}

void world_new_generation(struct world *world)
{
	world->generation++;
	write_config(world, 0, 0);
}

void world_subject(struct world *world, uint32_t identity, uint32_t ingress_table,
		   uint32_t egress_table, uint32_t flags)
{
	struct td_subject subject = {
		.table = { [TD_INGRESS] = ingress_table, [TD_EGRESS] = egress_table },
		.flags = { flags, flags },
	};

	put(world, "td_subject", &identity, &subject);
}

static void add_place(struct world *world, const char *address, uint32_t identity, uint32_t ifindex,
		      uint32_t endpoint_id, uint32_t flags)
{
	struct td_place place = { identity, ifindex, endpoint_id, flags };
	struct td_addr key = world_address(address);

	put(world, "td_addr_map", &key, &place);
}

void world_audit(struct world *world, int pod, bool audit)
{
	static const char *const addresses[][2] = { { NULL, NULL },
						    { "10.0.0.1", "fd00::1" },
						    { "10.0.0.2", "fd00::2" } };

	for (int i = 0; i < 2; i++)
		add_place(world, addresses[pod][i], POD_IDENTITY(pod), world->pod[pod], pod,
			  audit ? TD_PLACE_AUDIT : 0);
}

void world_no_subject(struct world *world, uint32_t identity)
{
	bpf_map_delete_elem(world_map(world, "td_subject"), &identity);
}

void world_row(struct world *world, uint32_t table, uint32_t klass, uint32_t peer, uint32_t allow,
	       uint32_t deny)
{
	struct td_policy_key key = { .table = table, .klass = klass, .peer = peer };
	struct td_policy_val val = { .allow_rule = allow, .deny_rule = deny };

	if (allow || deny)
		put(world, "td_policy", &key, &val);
	else
		bpf_map_delete_elem(world_map(world, "td_policy"), &key);
}

void world_class(struct world *world, uint32_t table, uint8_t protocol, uint16_t port,
		 uint32_t klass)
{
	struct td_class_key key = {
		.prefixlen = TD_CLASS_PREFIX(port ? 16 : 0),
		.table = htonl(table),
		.protocol = protocol,
		.port = htons(port),
	};

	put(world, "td_pol_class", &key, &klass);
}

static void add_pod(struct world *world, int n, const char *ipv4, const char *ipv6)
{
	struct td_endpoint endpoint = {
		.id = n,
		.identity = POD_IDENTITY(n),
		.ipv4 = world_address(ipv4),
		.ipv6 = world_address(ipv6),
	};

	put(world, "td_endpoint", &world->pod[n], &endpoint);
	add_place(world, ipv4, POD_IDENTITY(n), world->pod[n], n, 0);
	add_place(world, ipv6, POD_IDENTITY(n), world->pod[n], n, 0);
	world_subject(world, POD_IDENTITY(n), TABLE_OPEN, TABLE_OPEN, 0);
}

static void add_cidr(struct world *world, const char *address, uint32_t prefixlen)
{
	struct td_cidr_key key = { .prefixlen = prefixlen, .addr = world_address(address) };
	uint32_t identity = WORLD_CIDR;

	put(world, "td_cidr", &key, &identity);
}

void world_masquerade(struct world *world, const char *ipv4, const char *ipv6)
{
	struct td_device device = {};

	if (ipv4)
		device.ipv4 = world_address(ipv4);
	if (ipv6)
		device.ipv6 = world_address(ipv6);
	put(world, "td_device", &world->uplink, &device);
}

static int take_event(void *data, void *record, size_t len)
{
	struct world *world = data;
	const struct td_event *event = record;

	if (world->event_count < sizeof(world->events) / sizeof(world->events[0]))
		world->events[world->event_count++] = *event;
	if (event->kind == TD_EVENT_DNS) {
		const struct td_dns_event *dns = record;

		assert_true(len >= offsetof(struct td_dns_event, payload) + dns->len);
		world->dns_len = dns->len;
		memcpy(world->dns, dns->payload, dns->len);
	}
	return 0;
}

static void size_map(struct bpf_map *map, uint32_t entries)
{
	if (entries)
		assert_int_equal(bpf_map__set_max_entries(map, entries), 0);
}

static void take_over(struct net_bpf *skel, const struct td_prev_layout *prev)
{
	skel->rodata->prev_layout = *prev;
	if (!prev->ct_size)
		return;
	assert_int_equal(bpf_map__set_value_size(skel->maps.td_ct_prev, prev->ct_size), 0);
	assert_int_equal(bpf_map__set_value_size(skel->maps.td_ct_new_prev, prev->ct_size), 0);
	assert_int_equal(bpf_map__set_value_size(skel->maps.td_nat_prev, prev->nat_size), 0);
}

void world_open(struct world *world, const struct td_load_config *load,
		const struct world_sizes *sizes)
{
	memset(world, 0, sizeof(*world));
	enter_namespace();
	world->skel = net_bpf__open();
	assert_non_null(world->skel);
	world->skel->rodata->load_config = *load;
	if (sizes) {
		size_map(world->skel->maps.td_ct, sizes->ct);
		size_map(world->skel->maps.td_ct_new, sizes->ct_new);
		size_map(world->skel->maps.td_nat, sizes->nat);
		take_over(world->skel, &sizes->prev);
	}
	assert_int_equal(net_bpf__load(world->skel), 0);
	world->ring = ring_buffer__new(world_map(world, "td_events"), take_event, world, NULL);
	assert_non_null(world->ring);
	world->pod[1] = if_nametoindex("td1");
	world->pod[2] = if_nametoindex("td2");
	world->uplink = if_nametoindex("up0");
	world->generation = 1;
	write_config(world, 0, 0);
	world_row(world, TABLE_OPEN, 0, TD_PEER_ANY, TD_RULE_UNSELECTED, 0);
	add_pod(world, 1, "10.0.0.1", "fd00::1");
	add_pod(world, 2, "10.0.0.2", "fd00::2");
	add_place(world, NODE, TD_ID_HOST, 0, 0, TD_PLACE_HOST);
	add_place(world, NODE6, TD_ID_HOST, 0, 0, TD_PLACE_HOST);
	add_cidr(world, "198.51.100.0", 96 + 24);
	add_cidr(world, "2001:db8:51::", 48);
	world_masquerade(world, NULL, NULL);
}

void world_close(struct world *world)
{
	ring_buffer__free(world->ring);
	net_bpf__destroy(world->skel);
}

int world_run_frame(struct world *world, struct bpf_program *program, const uint8_t *frame,
		    size_t len, uint32_t ifindex, uint32_t ingress_ifindex)
{
	struct __sk_buff skb = { .ifindex = ifindex, .ingress_ifindex = ingress_ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len,
		    .data_out = world->frame, .data_size_out = sizeof(world->frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .ctx_out = &skb, .ctx_size_out = sizeof(skb),
		    .repeat = 1);
	int r;

	world->event_count = 0;
	world->dns_len = 0;
	r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	if (r < 0)
		fail_msg("test run of %s: %s", bpf_program__name(program), strerror(-r));
	world->frame_len = opts.data_size_out;
	world->mark = skb.mark;
	ring_buffer__consume(world->ring);
	return (int)opts.retval;
}

static void set_mac(uint8_t *mac, uint32_t endpoint_id)
{
	const uint8_t pod[6] = { TD_POD_MAC0, TD_POD_MAC1, 0, 0, 0, endpoint_id };

	if (!mac[0] && !mac[1])
		memcpy(mac, pod, 6);
}

static int run(struct world *world, struct bpf_program *program, const struct packet *packet,
	       uint32_t src_id, uint32_t dst_id, uint32_t ifindex, uint32_t ingress_ifindex)
{
	struct packet with_macs = *packet;
	uint8_t frame[PACKET_MAX];
	size_t len;

	set_mac(with_macs.src_mac, src_id);
	set_mac(with_macs.dst_mac, dst_id);
	len = packet_build(&with_macs, frame);
	return world_run_frame(world, program, frame, len, ifindex, ingress_ifindex);
}

int world_from_pod(struct world *world, int pod, const struct packet *packet)
{
	return run(world, world->skel->progs.td_from_pod, packet, pod, 0, world->pod[pod], 0);
}

int world_to_pod(struct world *world, int pod, const struct packet *packet,
		 uint32_t ingress_ifindex)
{
	return run(world, world->skel->progs.td_to_pod, packet, 0, pod, world->pod[pod],
		   ingress_ifindex);
}

int world_from_uplink(struct world *world, const struct packet *packet)
{
	return run(world, world->skel->progs.td_from_uplink, packet, 0xfe, 0xfd, world->uplink, 0);
}

int world_to_uplink(struct world *world, const struct packet *packet)
{
	return run(world, world->skel->progs.td_to_uplink, packet, 0xfd, 0xfe, world->uplink, 0);
}

/* The identifier stands on the side that asks. */
static void echo_ports(const struct packet *packet, uint16_t *sport, uint16_t *dport)
{
	bool reply = packet->icmp_type == (packet->protocol == IPPROTO_ICMP ? 0 : 129);

	*sport = reply ? 0 : htons(packet->id);
	*dport = reply ? htons(packet->id) : 0;
}

bool world_connection(struct world *world, const char *map, const struct packet *packet,
		      struct td_ct *ret)
{
	struct td_addr src = world_address(packet->src), dst = world_address(packet->dst);
	uint16_t sport = htons(packet->sport), dport = htons(packet->dport);
	struct td_ct_key key = { .protocol = packet->protocol ? packet->protocol : IPPROTO_TCP };
	int order = memcmp(&src, &dst, sizeof(src));

	if (key.protocol == IPPROTO_ICMP || key.protocol == IPPROTO_ICMPV6)
		echo_ports(packet, &sport, &dport);
	if (!order)
		order = memcmp(&sport, &dport, sizeof(sport));
	key.addr[0] = order <= 0 ? src : dst;
	key.addr[1] = order <= 0 ? dst : src;
	key.port[0] = order <= 0 ? sport : dport;
	key.port[1] = order <= 0 ? dport : sport;
	return bpf_map_lookup_elem(world_map(world, map), &key, ret) == 0;
}

static uint64_t sum_cpus(int fd, uint32_t index)
{
	uint64_t values[1024] = {}, total = 0;
	int cpus = libbpf_num_possible_cpus();

	assert_in_range(cpus, 1, 1024);
	assert_int_equal(bpf_map_lookup_elem(fd, &index, values), 0);
	for (int i = 0; i < cpus; i++)
		total += values[i];
	return total;
}

uint64_t world_stat(struct world *world, enum td_stat stat)
{
	return sum_cpus(world_map(world, "td_stats"), stat);
}

uint64_t world_drops(struct world *world, uint8_t reason, enum td_direction direction)
{
	return sum_cpus(world_map(world, "td_drops"), reason + 256 * direction);
}

const struct td_event *world_event(const struct world *world, enum td_event_kind kind)
{
	for (size_t i = 0; i < world->event_count; i++)
		if (world->events[i].kind == kind)
			return &world->events[i];
	return NULL;
}

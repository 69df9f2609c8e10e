/* SPDX-License-Identifier: Apache-2.0 */
/* settings: what tendrild can be told, by /etc/tendril/tendril.yaml and flags.
 *
 * In: file and flags    Out: struct settings    Owns: its strings    Thread: main loop only
 *
 * Every key is a row of the table in settings.c, which also prints --help and the reference. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/log.h"

#define SETTINGS_FILE "/etc/tendril/tendril.yaml"

enum settings_attach { SETTINGS_ATTACH_AUTO, SETTINGS_ATTACH_CLSACT };
enum settings_deny { SETTINGS_DENY_DROP, SETTINGS_DENY_REJECT };
enum settings_log_format { SETTINGS_LOG_TEXT, SETTINGS_LOG_JSON };

struct settings {
	char *instance, *node_name, *cluster;
	struct config_strings node_labels;
	char *run_dir, *state_dir, *bpf_dir, *objects_dir, *cgroup_root;
	struct {
		char *dir;
		uint32_t max_age; /* s; 0: any */
	} inventory;
	char *admin_group, *observer_user;
	struct prefix ipv4, ipv6;
	uint32_t mtu; /* 0: the smallest of the devices', 1500 without */
	struct config_strings devices;
	bool masquerade;
	struct config_prefixes no_masquerade;
	uint32_t nat_port_min, nat_port_max;
	unsigned int deny;          /* enum settings_deny */
	unsigned int attach;        /* enum settings_attach */
	unsigned int enable_policy; /* enum policy_enforcement */
	bool policy_audit_mode;
	struct {
		uint32_t tcp_syn, tcp_established, tcp_closing, tcp_time_wait, tcp_reset; /* s */
		uint32_t udp, udp_stream, icmp, other;                                    /* s */
	} ct;
	struct {
		uint32_t ct, ct_new, nat, policy, class, cidr, services, backends, addresses;
	} maps;
	uint32_t ring_bytes;
	uint32_t report_interval;      /* s; 0: never */
	uint32_t drop_report_interval; /* s; 0: each packet */
	unsigned int log_level, log_format;
};

extern const struct config_table settings_table;

/* What main() was asked for. */
enum settings_request {
	SETTINGS_RUN,
	SETTINGS_HELP,
	SETTINGS_VERSION,
	SETTINGS_REFERENCE,
	SETTINGS_MANUAL
};

struct settings_source {
	int argc;
	char **argv;
	const char *file; /* found by settings_load() */
	bool file_given;  /* by --config: then it must exist */
};

/* Reads the file that --config names, or SETTINGS_FILE if it is there, then the flags. -EINVAL with
 * diag. May be called again (SIGHUP) on a fresh struct. */
int settings_load(struct settings_source *source, struct settings *ret,
		  enum settings_request *ret_request, struct diag *diag);
void settings_clear(struct settings *settings);

enum log_level settings_log_level(const struct settings *settings);
/* First part of the names of our devices: "td" and the instance. */
void settings_device_prefix(const struct settings *settings, char buf[static 16]);

/* SPDX-License-Identifier: Apache-2.0 */
/* cni: the plugin's parts. The plugin asks tendrild and keeps nothing itself.
 *
 * Source: Container Network Interface Specification 1.1.0
 * (https://github.com/containernetworking/cni/blob/main/SPEC.md). Thread: one. */
#pragma once

#include <jansson.h>

#include "base/cleanup.h"

/* Error codes of the specification; from 100 on our own. */
enum cni_error {
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_INVALID_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_INVALID_JSON = 6,
	CNI_INVALID_CONFIG = 7,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,
	CNI_REFUSED = 100, /* the agent said no; msg tells why */
};

#define CNI_NEWEST "1.1.0"

struct cni_request {
	char *command;       /* never NULL */
	char *container_id;  /* "" if not given */
	char *netns;         /* "" if not given */
	char *ifname;        /* "" if not given */
	json_t *args;        /* CNI_ARGS as an object */
	json_t *config;      /* stdin; an object */
	const char *version; /* of the result; one we support */
	const char *run_dir;
	unsigned int timeout_ms;
};

void cni_request_clear(struct cni_request *request);

/* From the environment and stdin. On error the answer is on stdout already; returns the exit code. */
int cni_request_read(struct cni_request *request);

/* Prints an error object to stdout; returns 1, the exit code. */
int cni_fail(const char *version, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Prints a result object (stolen); returns 0. */
int cni_print(json_t *result);

/* What CNI_COMMAND=VERSION prints. */
json_t *cni_versions(const char *version);

/* The result of ADD from the agent's reply. */
json_t *cni_add_result(const struct cni_request *request, json_t *reply);

/* DEL without an agent: removes the interface and leaves a tombstone in run_dir/tombstones, which
 * the agent reclaims when it starts. Returns 0 or -errno. */
int cni_delete_without_agent(const struct cni_request *request);

/* SPDX-License-Identifier: Apache-2.0 */
/* options: what tendril-observer can be told, in tendrild's file and by flags.
 *
 * In: arguments, tendril.yaml    Out: struct options    Owns: its strings    Thread: main */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/config.h"
#include "base/diag.h"

#define OPTIONS_FILE "/etc/tendril/tendril.yaml"

struct options {
	char *instance, *run_dir, *user, *group;
	unsigned int log_level, log_format; /* index into the choices */
	uint32_t flows;                     /* kept in the ring */
	uint32_t dns_names;
	uint32_t connections;
	char *listen; /* "" or an address for plaintext gRPC */
	bool sandbox;
};

enum options_request {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
	OPTIONS_REFERENCE,
	OPTIONS_MANUAL
};

/* -EINVAL with diag; -ENOMEM. */
int options_load(int argc, char **argv, struct options *ret, enum options_request *ret_request,
		 struct diag *diag);
void options_clear(struct options *options);
void options_help(void);
void options_reference(void);
void options_manual(void);

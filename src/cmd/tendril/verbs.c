/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

/* clang-format off */
const struct verb *const verbs[] = {
	&verb_status,
	&verb_run,
	&verb_apply,
	&verb_get,
	&verb_delete,
	&verb_endpoint,
	&verb_identity,
	&verb_policy,
	&verb_audit,
	&verb_enforcement,
	&verb_service,
	&verb_ct,
	&verb_observe,
	&verb_list,
	&verb_connectivity,
	&verb_probe,
	&verb_cleanup,
	&verb_bugreport,
	&verb_completion,
	&verb_manual,
	&verb_version,
	NULL,
};
/* clang-format on */

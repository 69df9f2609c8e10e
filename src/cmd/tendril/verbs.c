/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

const struct verb *const verbs[] = {
	&verb_endpoint, &verb_identity,	  &verb_policy,	 &verb_service,
	&verb_ct,	&verb_completion, &verb_version, NULL,
};

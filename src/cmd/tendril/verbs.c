/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

const struct verb *const verbs[] = {
	&verb_version,
	NULL,
};

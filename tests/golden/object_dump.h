/* SPDX-License-Identifier: Apache-2.0 */
/* object_dump: a parsed object as text, every field, for golden tests.
 *
 * Thread: any */
#pragma once

#include <stdio.h>

#include "model/object.h"

void object_dump(FILE *out, const struct object *object);

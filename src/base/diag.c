/* SPDX-License-Identifier: Apache-2.0 */
#include "diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int diag_set(struct diag *diag, const char *file, unsigned int line, const char *fmt, ...)
{
	va_list args;

	if (diag_is_set(diag))
		return -EINVAL;
	snprintf(diag->file, sizeof(diag->file), "%s", file ? file : "");
	diag->line = line;
	va_start(args, fmt);
	vsnprintf(diag->text, sizeof(diag->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

bool diag_is_set(const struct diag *diag)
{
	return diag->text[0] != '\0';
}

void diag_format(const struct diag *diag, char *buf, unsigned int size)
{
	if (diag->file[0] && diag->line)
		snprintf(buf, size, "%s:%u: %s", diag->file, diag->line, diag->text);
	else if (diag->file[0])
		snprintf(buf, size, "%s: %s", diag->file, diag->text);
	else
		snprintf(buf, size, "%s", diag->text);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_time.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

#define SECOND   UINT64_C(1000000000)
#define SPAN_MAX (UINT64_C(100) * 366 * 86400 * SECOND)

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "ns", 1 },          { "us", 1000 },         { "ms", 1000000 },       { "s", SECOND },
	{ "m", 60 * SECOND }, { "h", 3600 * SECOND }, { "d", 86400 * SECOND },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The longest unit that stands there; 0: none. */
static uint64_t take_unit(const char **at)
{
	size_t best = 0;
	uint64_t ns = 0;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i].name);

		if (len <= best || strncmp(*at, units[i].name, len))
			continue;
		best = len;
		ns = units[i].ns;
	}
	*at += best;
	return ns;
}

static int parse_span(const char *at, uint64_t *ret)
{
	uint64_t sum = 0;

	if (!*at)
		return -EINVAL;
	while (*at) {
		double number = 0, scale = 1;
		const char *start = at;
		uint64_t ns;

		for (; is_digit(*at); at++)
			number = number * 10 + (*at - '0');
		if (*at == '.' && at++)
			for (; is_digit(*at); at++)
				number += (scale /= 10) * (*at - '0');
		ns = at > start ? take_unit(&at) : 0;
		if (!ns || number * (double)ns > (double)SPAN_MAX)
			return -EINVAL;
		sum += (uint64_t)(number * (double)ns);
		if (sum > SPAN_MAX)
			return -EINVAL;
	}
	*ret = sum;
	return 0;
}

/* Exactly count digits. */
static bool take_digits(const char **at, unsigned int count, int *ret)
{
	int value = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (!is_digit((*at)[i]))
			return false;
		value = value * 10 + ((*at)[i] - '0');
	}
	*at += count;
	*ret = value;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at, struct tm *tm)
{
	if (!take_digits(at, 4, &tm->tm_year) || !take_char(at, '-') ||
	    !take_digits(at, 2, &tm->tm_mon) || !take_char(at, '-') ||
	    !take_digits(at, 2, &tm->tm_mday))
		return false;
	if (tm->tm_year < 1970 || tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 ||
	    tm->tm_mday > 31)
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return true;
}

/* Hours; minutes, seconds and a fraction may follow. */
static bool take_time(const char **at, struct tm *tm, uint64_t *ns)
{
	if (!take_digits(at, 2, &tm->tm_hour) || tm->tm_hour > 23)
		return false;
	if (!take_char(at, ':'))
		return true;
	if (!take_digits(at, 2, &tm->tm_min) || tm->tm_min > 59)
		return false;
	if (!take_char(at, ':'))
		return true;
	if (!take_digits(at, 2, &tm->tm_sec) || tm->tm_sec > 59)
		return false;
	if (!take_char(at, '.'))
		return true;
	if (!is_digit(**at))
		return false;
	for (uint64_t place = SECOND / 10; is_digit(**at); (*at)++, place /= 10)
		*ns += place * (uint64_t)(**at - '0');
	return true;
}

/* "Z" or "+01:00"; nothing is UTC. */
static bool take_offset(const char **at, int64_t *seconds)
{
	int hours, minutes, sign = **at == '-' ? -1 : 1;

	if (!**at || take_char(at, 'Z'))
		return true;
	if ((!take_char(at, '+') && !take_char(at, '-')) || !take_digits(at, 2, &hours) ||
	    !take_char(at, ':') || !take_digits(at, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int parse_date(const char *at, uint64_t *ret)
{
	int64_t offset = 0, seconds;
	struct tm tm = { 0 };
	uint64_t ns = 0;

	if (!take_date(&at, &tm))
		return -EINVAL;
	if ((take_char(&at, 'T') || take_char(&at, ' ')) && !take_time(&at, &tm, &ns))
		return -EINVAL;
	if (!take_offset(&at, &offset) || *at)
		return -EINVAL;
	seconds = timegm(&tm) - offset;
	if (seconds < 0)
		return -EINVAL;
	*ret = (uint64_t)seconds * SECOND + ns;
	return 0;
}

int observe_time_parse(const char *text, uint64_t now, uint64_t *ret)
{
	uint64_t span;

	if (strcmp(text, "now") == 0) {
		*ret = now;
		return 0;
	}
	if (parse_span(text, &span) == 0) {
		*ret = span < now ? now - span : 0;
		return 0;
	}
	return parse_date(text, ret);
}

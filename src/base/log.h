/* SPDX-License-Identifier: Apache-2.0 */
/* log: one line per event, `level time room message key=value ...`, or JSON, to stderr.
 *
 * Under systemd (JOURNAL_STREAM set) lines start with "<N>" instead of level and time, which the
 * journal adds itself. Only the room that owns a lifecycle logs above debug.
 *
 *	log_info("datapath", "loaded", LOG_UINT("programs", 12), LOG_STR("kernel", release));
 *
 * Thread: main loop only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

enum log_field_kind { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_UINT };

struct log_field {
	const char *key;
	enum log_field_kind kind;
	union {
		const char *str; /* NULL prints as "" */
		int64_t sint;
		uint64_t uint;
	};
};

#define LOG_STR(k, v)  ((struct log_field){ .key = (k), .kind = LOG_FIELD_STR, .str = (v) })
#define LOG_INT(k, v)  ((struct log_field){ .key = (k), .kind = LOG_FIELD_INT, .sint = (v) })
#define LOG_UINT(k, v) ((struct log_field){ .key = (k), .kind = LOG_FIELD_UINT, .uint = (v) })
#define LOG_ERR(r)     LOG_STR("error", log_strerror(r))

void log_setup(enum log_level max, bool json);

/* Text of a negative or positive errno; static storage, as strerror(). */
const char *log_strerror(int error);

void log_write(enum log_level level, const char *room, const char *message,
	       const struct log_field *fields, unsigned int count);

#define log_at(level, room, message, ...)                                                          \
	log_write(level, room, message, (const struct log_field[]){ __VA_ARGS__ },                 \
		  sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))

#define log_error(room, message, ...) log_at(LOG_LEVEL_ERROR, room, message, ##__VA_ARGS__)
#define log_warn(room, message, ...)  log_at(LOG_LEVEL_WARN, room, message, ##__VA_ARGS__)
#define log_info(room, message, ...)  log_at(LOG_LEVEL_INFO, room, message, ##__VA_ARGS__)
#define log_debug(room, message, ...) log_at(LOG_LEVEL_DEBUG, room, message, ##__VA_ARGS__)

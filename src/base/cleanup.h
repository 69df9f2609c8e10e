/* SPDX-License-Identifier: Apache-2.0 */
/* cleanup: owned locals that free themselves, and handing them over.
 *
 *	_cleanup_(foo_freep) struct foo *foo = NULL;
 *	...
 *	*ret = take_ptr(foo);
 *
 * DEFINE_FREEP(foo) makes foo_freep() from foo_free(). Every X_free(NULL) is legal. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(func) __attribute__((cleanup(func)))

#define take_ptr(ptr)                                                                              \
	({                                                                                         \
		__typeof__(ptr) *take_from_ = &(ptr);                                              \
		__typeof__(ptr) taken_ = *take_from_;                                              \
		*take_from_ = NULL;                                                                \
		taken_;                                                                            \
	})

#define take_fd(fd)                                                                                \
	({                                                                                         \
		int *take_from_ = &(fd);                                                           \
		int taken_ = *take_from_;                                                          \
		*take_from_ = -1;                                                                  \
		taken_;                                                                            \
	})

#define DEFINE_FREEP(name)                                                                         \
	static inline void name##_freep(struct name **ptr)                                         \
	{                                                                                          \
		name##_free(*ptr);                                                                 \
		*ptr = NULL;                                                                       \
	}                                                                                          \
	struct name

static inline void freep(void *ptr)
{
	free(*(void **)ptr);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define _cleanup_free_   _cleanup_(freep)
#define _cleanup_close_  _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

/* SPDX-License-Identifier: Apache-2.0 */
#include "text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "model/document.h"

static int refuse_errno(struct diag *diag, const char *shown, int error)
{
	diag_set(diag, shown, 0, "found a file that cannot be read (%s), expected a readable one",
		 strerror(error));
	return -error;
}

static int check_file(int fd, const char *shown, struct stat *ret, struct diag *diag)
{
	if (fstat(fd, ret) < 0)
		return refuse_errno(diag, shown, errno);
	if (!S_ISREG(ret->st_mode))
		return diag_set(diag, shown, 0, "found no regular file, expected one");
	if (ret->st_size > DOCUMENT_TEXT_MAX)
		return diag_set(diag, shown, 0, "found %lld bytes, expected at most %u",
				(long long)ret->st_size, DOCUMENT_TEXT_MAX);
	return 0;
}

/* A file that grows meanwhile is cut at one byte more than it may have. */
static int read_all(int fd, size_t expected, char **ret, size_t *ret_length)
{
	size_t capacity = expected + 1, length = 0;
	_cleanup_free_ char *text = malloc(capacity + 1);

	if (!text)
		return -ENOMEM;
	while (length < capacity) {
		ssize_t n = read(fd, text + length, capacity - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		length += (size_t)n;
	}
	text[length] = '\0';
	*ret = take_ptr(text);
	*ret_length = length;
	return 0;
}

int text_file_read(int dir_fd, const char *name, const char *shown, char **ret, size_t *ret_length,
		   struct stat *ret_stat, struct diag *diag)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0)
		return refuse_errno(diag, shown, errno);
	r = check_file(fd, shown, &st, diag);
	if (r < 0)
		return r;
	r = read_all(fd, (size_t)st.st_size, ret, ret_length);
	if (r < 0)
		return refuse_errno(diag, shown, -r);
	if (ret_stat)
		*ret_stat = st;
	return 0;
}

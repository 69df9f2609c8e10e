/* SPDX-License-Identifier: Apache-2.0 */
#include "chores.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "netlink.h"

#define STACK_BYTES (128 * 1024)

struct chores {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool stop;
	struct chore *queue, **queue_end;
	struct chore *done, **done_end;
	int netlink_fd; /* of the thread */
	int event_fd;
};

static void append(struct chore *chore, struct chore ***end)
{
	chore->next = NULL;
	**end = chore;
	*end = &chore->next;
}

static struct chore *wait_for_job(struct chores *chores)
{
	struct chore *chore;

	while (!chores->queue && !chores->stop)
		pthread_cond_wait(&chores->work, &chores->lock);
	chore = chores->queue;
	if (!chore)
		return NULL;
	chores->queue = chore->next;
	if (!chores->queue)
		chores->queue_end = &chores->queue;
	return chore;
}

static void *work(void *data)
{
	struct chores *chores = data;
	struct chore *chore;

	pthread_mutex_lock(&chores->lock);
	while ((chore = wait_for_job(chores))) {
		pthread_mutex_unlock(&chores->lock);
		chore->result = chore->work(chore, chores->netlink_fd);
		pthread_mutex_lock(&chores->lock);
		append(chore, &chores->done_end);
		eventfd_write(chores->event_fd, 1);
	}
	pthread_mutex_unlock(&chores->lock);
	return NULL;
}

static int start(struct chores *chores)
{
	pthread_attr_t attr;
	int r;

	r = netlink_open(0, &chores->netlink_fd);
	if (r < 0)
		return r;
	chores->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (chores->event_fd < 0)
		return -errno;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&chores->thread, &attr, work, chores);
	pthread_attr_destroy(&attr);
	return -r;
}

int chores_new(struct chores **ret)
{
	struct chores *chores = calloc(1, sizeof(*chores));
	int r;

	if (!chores)
		return -ENOMEM;
	chores->netlink_fd = -1;
	chores->event_fd = -1;
	chores->queue_end = &chores->queue;
	chores->done_end = &chores->done;
	pthread_mutex_init(&chores->lock, NULL);
	pthread_cond_init(&chores->work, NULL);
	r = start(chores);
	if (r < 0) {
		closep(&chores->netlink_fd);
		closep(&chores->event_fd);
		free(chores);
		return r;
	}
	*ret = chores;
	return 0;
}

void chores_free(struct chores *chores)
{
	if (!chores)
		return;
	pthread_mutex_lock(&chores->lock);
	chores->stop = true;
	pthread_cond_signal(&chores->work);
	pthread_mutex_unlock(&chores->lock);
	pthread_join(chores->thread, NULL);
	chores_collect(chores, NULL, NULL);
	close(chores->netlink_fd);
	close(chores->event_fd);
	pthread_mutex_destroy(&chores->lock);
	pthread_cond_destroy(&chores->work);
	free(chores);
}

int chores_fd(const struct chores *chores)
{
	return chores->event_fd;
}

int chores_add(struct chores *chores, const struct chore *chore)
{
	struct chore *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *chore;
	pthread_mutex_lock(&chores->lock);
	append(copy, &chores->queue_end);
	pthread_cond_signal(&chores->work);
	pthread_mutex_unlock(&chores->lock);
	return 0;
}

void chores_collect(struct chores *chores, void (*fn)(const struct chore *chore, void *data),
		    void *data)
{
	struct chore *done;
	eventfd_t ignored;

	eventfd_read(chores->event_fd, &ignored);
	pthread_mutex_lock(&chores->lock);
	done = chores->done;
	chores->done = NULL;
	chores->done_end = &chores->done;
	pthread_mutex_unlock(&chores->lock);
	while (done) {
		struct chore *chore = done;

		done = chore->next;
		if (fn)
			fn(chore, data);
		free(chore);
	}
}

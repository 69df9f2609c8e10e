/* SPDX-License-Identifier: Apache-2.0 */
#include "reaper.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "netlink.h"
#include "rtnl.h"

#define STACK_BYTES (128 * 1024)

struct job {
	struct job *next;
	char ifname[IFNAMSIZ];
	uint32_t ifindex;
	int error;
};

struct reaper {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool stop;
	struct job *queue, **queue_end;
	struct job *done, **done_end;
	int netlink_fd; /* of the thread */
	int event_fd;
};

static int delete_device(int netlink_fd, uint32_t ifindex)
{
	struct netlink_batch batch;
	int r;

	netlink_begin(&batch, netlink_fd);
	rtnl_delete_link(&batch, ifindex);
	r = netlink_commit(&batch, NULL);
	return r == -ENODEV ? 0 : r;
}

static void append(struct job *job, struct job ***end)
{
	job->next = NULL;
	**end = job;
	*end = &job->next;
}

static struct job *wait_for_job(struct reaper *reaper)
{
	struct job *job;

	while (!reaper->queue && !reaper->stop)
		pthread_cond_wait(&reaper->work, &reaper->lock);
	job = reaper->queue;
	if (!job)
		return NULL;
	reaper->queue = job->next;
	if (!reaper->queue)
		reaper->queue_end = &reaper->queue;
	return job;
}

static void *work(void *data)
{
	struct reaper *reaper = data;
	struct job *job;

	pthread_mutex_lock(&reaper->lock);
	while ((job = wait_for_job(reaper))) {
		pthread_mutex_unlock(&reaper->lock);
		job->error = delete_device(reaper->netlink_fd, job->ifindex);
		pthread_mutex_lock(&reaper->lock);
		append(job, &reaper->done_end);
		eventfd_write(reaper->event_fd, 1);
	}
	pthread_mutex_unlock(&reaper->lock);
	return NULL;
}

static int start(struct reaper *reaper)
{
	pthread_attr_t attr;
	int r;

	r = netlink_open(0, &reaper->netlink_fd);
	if (r < 0)
		return r;
	reaper->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (reaper->event_fd < 0)
		return -errno;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&reaper->thread, &attr, work, reaper);
	pthread_attr_destroy(&attr);
	return -r;
}

int reaper_new(struct reaper **ret)
{
	struct reaper *reaper = calloc(1, sizeof(*reaper));
	int r;

	if (!reaper)
		return -ENOMEM;
	reaper->netlink_fd = -1;
	reaper->event_fd = -1;
	reaper->queue_end = &reaper->queue;
	reaper->done_end = &reaper->done;
	pthread_mutex_init(&reaper->lock, NULL);
	pthread_cond_init(&reaper->work, NULL);
	r = start(reaper);
	if (r < 0) {
		closep(&reaper->netlink_fd);
		closep(&reaper->event_fd);
		free(reaper);
		return r;
	}
	*ret = reaper;
	return 0;
}

void reaper_free(struct reaper *reaper)
{
	if (!reaper)
		return;
	pthread_mutex_lock(&reaper->lock);
	reaper->stop = true;
	pthread_cond_signal(&reaper->work);
	pthread_mutex_unlock(&reaper->lock);
	pthread_join(reaper->thread, NULL);
	reaper_collect(reaper, NULL, NULL);
	close(reaper->netlink_fd);
	close(reaper->event_fd);
	pthread_mutex_destroy(&reaper->lock);
	pthread_cond_destroy(&reaper->work);
	free(reaper);
}

int reaper_fd(const struct reaper *reaper)
{
	return reaper->event_fd;
}

int reaper_delete(struct reaper *reaper, const char *ifname, uint32_t ifindex)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	snprintf(job->ifname, sizeof(job->ifname), "%s", ifname);
	job->ifindex = ifindex;
	pthread_mutex_lock(&reaper->lock);
	append(job, &reaper->queue_end);
	pthread_cond_signal(&reaper->work);
	pthread_mutex_unlock(&reaper->lock);
	return 0;
}

void reaper_collect(struct reaper *reaper,
		    void (*fn)(const char *ifname, uint32_t ifindex, int error, void *data),
		    void *data)
{
	struct job *done;
	eventfd_t ignored;

	eventfd_read(reaper->event_fd, &ignored);
	pthread_mutex_lock(&reaper->lock);
	done = reaper->done;
	reaper->done = NULL;
	reaper->done_end = &reaper->done;
	pthread_mutex_unlock(&reaper->lock);
	while (done) {
		struct job *job = done;

		done = job->next;
		if (fn)
			fn(job->ifname, job->ifindex, job->error, data);
		free(job);
	}
}

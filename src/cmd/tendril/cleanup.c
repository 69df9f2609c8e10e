/* SPDX-License-Identifier: Apache-2.0 */
/* Removes what Tendril made on this node, and nothing else: from the kernel by the data path's own
 * clean-up, from the disk by names that only the agent and the observer give. */
#include "verb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "cmd/tendrild/settings.h"
#include "datapath/datapath.h"

#define PATH_TEXT 512
#define FLAGS_MAX 64

struct cleanup {
	const char *config;     /* NULL: the standard one, if it is there */
	char *flags[FLAGS_MAX]; /* --KEY=VALUE as for tendrild; ours */
	int flag_count;
	bool yes, keep_objects;
	struct settings settings;
	unsigned int removed;
	int first_error;
};

/* Files by directory of the settings; a directory goes when it is empty afterwards. What others put
 * there stays, and so does its directory. */
static const struct {
	bool state;        /* under state_dir, else under run_dir */
	bool object;       /* what the user applied */
	const char *dir;   /* below that; "" itself */
	const char *files; /* fnmatch(3) */
} places[] = {
	{ false, false, "endpoints", "*.json" }, { false, false, "endpoints", ".*.json.tmp" },
	{ false, false, "tombstones", "*" },     { false, false, "", "tendril.sock" },
	{ false, false, "", "observer.sock" },   { false, false, "", "grpc.sock" },
	{ false, false, "", "identities.json" }, { false, false, "", ".identities.json.tmp" },
	{ false, false, "", "tendrild.lock" },   { true, false, "", "tendrild.lock" },
	{ true, true, "objects", "*.yaml" },     { true, true, "objects", ".new-*" },
	{ true, true, "objects", ".batch-*" },   { true, true, "objects", ".settle-*" },
	{ true, false, "files", "*.yaml" },      { true, false, "files", ".*.yaml.tmp" },
	{ true, false, "inventory", "*.yaml" },  { true, false, "inventory", ".*.yaml.tmp" },
};

static void note(struct cleanup *cleanup, const char *what, int error)
{
	fprintf(stderr, "tendril cleanup: %s is still there: %s\n", what, log_strerror(error));
	if (!cleanup->first_error)
		cleanup->first_error = error;
}

static void tell(const char *what, void *data)
{
	struct cleanup *cleanup = data;

	printf("removed %s\n", what);
	cleanup->removed++;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void remove_file(struct cleanup *cleanup, int dir_fd, const char *dir, const char *name)
{
	char what[PATH_TEXT + NAME_MAX + 8];
	struct stat st;

	snprintf(what, sizeof(what), "file %s/%s", dir, name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
		return;
	if (unlinkat(dir_fd, name, 0) == 0)
		tell(what, cleanup);
	else
		note(cleanup, what, -errno);
}

static void remove_matching(struct cleanup *cleanup, const char *path, const char *pattern)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (fnmatch(pattern, entry->d_name, 0) == 0)
			remove_file(cleanup, dirfd(dir), path, entry->d_name);
}

static void remove_dir(struct cleanup *cleanup, const char *path)
{
	char what[PATH_TEXT + 16];

	snprintf(what, sizeof(what), "directory %s", path);
	if (rmdir(path) == 0)
		tell(what, cleanup);
	else if (errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
		note(cleanup, what, -errno);
}

static void remove_files(struct cleanup *cleanup)
{
	const struct settings *settings = &cleanup->settings;
	char path[PATH_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *root = places[i].state ? settings->state_dir : settings->run_dir;

		if (places[i].object && cleanup->keep_objects)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", root, *places[i].dir ? "/" : "",
			 places[i].dir);
		remove_matching(cleanup, path, places[i].files);
		if (*places[i].dir)
			remove_dir(cleanup, path);
	}
	remove_dir(cleanup, settings->run_dir);
	remove_dir(cleanup, settings->state_dir);
}

/* Holding the agent's own lock is the proof that none runs, and keeps one from starting meanwhile. */
static int lock_out_agent(const struct cleanup *cleanup, int *ret)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_TEXT], pid[16] = "";

	snprintf(path, sizeof(path), "%s/tendrild.lock", cleanup->settings.run_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (pread(fd, pid, sizeof(pid) - 1, 0) > 0)
			pid[strcspn(pid, "\n")] = '\0';
		fprintf(stderr,
			"tendril cleanup: tendrild runs (process %s): nothing was removed. Stop it "
			"first, for example by 'systemctl stop tendrild'\n",
			*pid ? pid : "unknown");
		return -EBUSY;
	}
	*ret = take_fd(fd);
	return 0;
}

static bool confirmed(const struct cleanup *cleanup)
{
	char answer[8] = "";

	if (cleanup->yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "tendril cleanup: stdin is no terminal to ask on; --yes removes "
				"without asking\n");
		return false;
	}
	printf("This disconnects every workload of this node and removes what Tendril keeps in\n"
	       "%s, %s%s and %s. Go on? [y/N] ",
	       cleanup->settings.bpf_dir, cleanup->settings.run_dir,
	       cleanup->keep_objects ? "" : ", the objects in", cleanup->settings.state_dir);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static int clean(struct cleanup *cleanup)
{
	_cleanup_close_ int lock = -1;
	char prefix[16];
	int r = lock_out_agent(cleanup, &lock);

	if (r == -EBUSY)
		return EXIT_NO;
	if (r < 0) {
		note(cleanup, cleanup->settings.run_dir, r);
		return EXIT_NO;
	}
	if (!confirmed(cleanup))
		return EXIT_NO;
	settings_device_prefix(&cleanup->settings, prefix);
	r = datapath_cleanup(cleanup->settings.bpf_dir, prefix, tell, cleanup);
	if (r < 0)
		note(cleanup, "something in the kernel", r);
	remove_files(cleanup);
	if (!cleanup->removed && !cleanup->first_error)
		printf("nothing to remove\n");
	return cleanup->first_error ? EXIT_NO : 0;
}

/* The options that are keys of the agent's configuration. */
static int add_flag(struct cleanup *cleanup, const char *name, const char *value)
{
	char *flag = NULL;

	if (cleanup->flag_count >= FLAGS_MAX || asprintf(&flag, "--%s=%s", name, value) < 0) {
		fprintf(stderr, "tendril cleanup: too many options\n");
		return EXIT_USAGE;
	}
	for (char *at = flag + 2; *at && *at != '='; at++)
		if (*at == '-')
			*at = '_';
	cleanup->flags[cleanup->flag_count++] = flag;
	return 0;
}

static int set(const struct verb_option *option, const char *value, void *data)
{
	struct cleanup *cleanup = data;

	if (option->letter == 'y')
		cleanup->yes = true;
	else if (strcmp(option->name, "keep-objects") == 0)
		cleanup->keep_objects = true;
	else
		return add_flag(cleanup, option->name, value);
	return 0;
}

static int load(struct cleanup *cleanup)
{
	char name[] = "tendrild", *argv[FLAGS_MAX + 1] = { name };
	struct settings_source source = { .argc = cleanup->flag_count + 1, .argv = argv };
	char text[DIAG_TEXT_MAX + DIAG_FILE_MAX + 16];
	enum settings_request request;
	struct diag diag = {};

	memcpy(argv + 1, cleanup->flags, (size_t)cleanup->flag_count * sizeof(*argv));
	if (settings_load(&source, &cleanup->settings, &request, &diag) == 0)
		return 0;
	diag_format(&diag, text, sizeof(text));
	fprintf(stderr, "tendril cleanup: %s\n", text);
	return EXIT_USAGE;
}

static int run(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct cleanup cleanup = {};
	int first, r = 0;

	/* --run-dir before the verb means the same as behind it. */
	if (cli->run_dir_given)
		r = add_flag(&cleanup, "run_dir", cli->run_dir);
	if (r == 0)
		r = verb_parse(verb, argc, argv, false, set, &cleanup, &first);
	if (r == 0 && first < argc)
		r = verb_usage_error(verb, "unexpected argument '%s'", argv[first]);
	if (r == 0)
		r = load(&cleanup);
	if (r == 0 && geteuid() != 0) {
		fprintf(stderr, "tendril cleanup: not root; nothing was removed\n");
		r = EXIT_NO;
	}
	if (r == 0)
		r = clean(&cleanup);
	settings_clear(&cleanup.settings);
	for (int i = 0; i < cleanup.flag_count; i++)
		free(cleanup.flags[i]);
	return r;
}

static const struct verb_option options[] = {
	{ 'y', "yes", NULL, "do not ask", NULL },
	{ 0, "keep-objects", NULL, "leave what was given by `tendril apply`", NULL },
	{ 0, "config", "FILE", "the agent's configuration (/etc/tendril/tendril.yaml)", "@file" },
	{ 0, "instance", "NAME", "the instance, if the node has several agents", NULL },
	{ 0, "run-dir", "DIR", "as the agent's key run_dir", "@file" },
	{ 0, "state-dir", "DIR", "as the agent's key state_dir", "@file" },
	{ 0, "bpf-dir", "DIR", "as the agent's key bpf_dir", "@file" },
	{},
};

const struct verb verb_cleanup = {
	.name = "cleanup",
	.summary = "remove everything that Tendril made on this node",
	.synopsis = "[--yes] [--keep-objects] [--config FILE] [--instance NAME]",
	.help = "Example: sudo tendril cleanup --keep-objects\n\n"
		"Removes this node's links, programs, maps, pods' devices with their routes, sockets,\n"
		"records and applied objects, naming each. Workloads that still run lose their network;\n"
		"nothing is enforced any more. Manifests and configuration under /etc are not touched.\n"
		"Refuses while an agent runs. Asks first; without a terminal it needs --yes.",
	.options = options,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds every file of a corpus directory, and the empty input, to one fuzz target: what a fuzzer
 * once found stays found, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	struct stat st;
	uint8_t *data;
	FILE *file;
	size_t got;

	file = fopen(path, "rb");
	if (!file || fstat(fileno(file), &st) < 0) {
		perror(path);
		return 1;
	}
	/* exactly the size of the input, so that a sanitizer sees a read behind its end */
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!data)
		abort();
	got = fread(data, 1, (size_t)st.st_size, file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, got);
	free(data);
	return got != (size_t)st.st_size;
}

int main(int argc, char **argv)
{
	struct dirent *entry;
	char path[4096];
	int count = 0, failed = 0;
	DIR *dir;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	dir = opendir(argv[1]);
	if (!dir) {
		perror(argv[1]);
		return 1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		failed += replay_file(path);
		count++;
	}
	closedir(dir);
	printf("%d inputs replayed\n", count);
	if (!count)
		fprintf(stderr, "%s: the corpus is empty\n", argv[1]);
	return failed || !count;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_MS 5000

static const char *hint(int r)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "; is tendril-observer running?";
	case -EACCES:
		return "; it is for root and members of group tendril";
	case -EINVAL:
		return "; expected unix:///PATH or HOST:PORT";
	default:
		return "";
	}
}

int remote_connect(const struct cli *cli, const struct verb *verb, const char *server,
		   struct grpc_client **ret)
{
	char local[sizeof(cli->grpc_socket) + 8];
	int r;

	snprintf(local, sizeof(local), "unix://%s", cli->grpc_socket);
	r = grpc_client_new(server ?: local, CONNECT_MS, ret);
	if (r == 0)
		return 0;
	fprintf(stderr, "tendril %s: cannot connect to %s: %s%s\n", verb->name, server ?: local,
		r == -EPROTONOSUPPORT ? "TLS is not supported" : strerror(-r), hint(r));
	return r == -EINVAL || r == -EPROTONOSUPPORT ? EXIT_USAGE : EXIT_UNREACHABLE;
}

int remote_failed(const struct verb *verb, const struct grpc_client *client, int r)
{
	const char *text = "";
	enum grpc_status status = client ? grpc_client_status(client, &text) : GRPC_OK;

	if (status != GRPC_OK) {
		fprintf(stderr, "tendril %s: %s: %s\n", verb->name, grpc_status_name(status), text);
		return status == GRPC_UNAVAILABLE ? EXIT_UNREACHABLE : EXIT_NO;
	}
	if (r < 0) {
		fprintf(stderr, "tendril %s: %s\n", verb->name, strerror(-r));
		return EXIT_NO;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* remote: what verbs that speak gRPC say when it does not work.
 *
 * In: results of grpc_client    Out: exit codes, having said what is wrong
 * Owns: nothing    Thread: main */
#pragma once

#include "api/grpc_client.h"
#include "verb.h"

/* server NULL: the run directory's grpc.sock. Returns 0 or an exit code. */
int remote_connect(const struct cli *cli, const struct verb *verb, const char *server,
		   struct grpc_client **ret);
/* After a call: 0 if r is 0 and the call ended well (client NULL: only r counts). */
int remote_failed(const struct verb *verb, const struct grpc_client *client, int r);

/* SPDX-License-Identifier: Apache-2.0 */
/* probe_agent: what `tendril connectivity test` runs inside its workloads.
 *
 * Serves echo over TCP and UDP on TCP/UDP port 7080 and 7081, both families, and reads requests from
 * stdin, one a line: "tcp|udp|icmp ADDRESS PORT". Each is answered by one line on stdout: "ok",
 * "timeout", "refused", "unreachable" or "error TEXT". Ends with stdin. */
#pragma once

#define PROBE_PORT_OPEN   7080
#define PROBE_PORT_CLOSED 7081 /* served, but no policy of the test allows it */

/* timeout_ms: of one probe. Returns an exit code. */
int probe_agent_run(unsigned int timeout_ms);

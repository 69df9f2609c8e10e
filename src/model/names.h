/* SPDX-License-Identifier: Apache-2.0 */
/* names: Kubernetes' rules for names (RFC 1123, RFC 6335).
 *
 * In: a text    Out: whether it can be one    Owns: nothing    Thread: any */
#pragma once

#include <stdbool.h>

bool is_dns_label(const char *text);     /* at most 63, a-z 0-9 - */
bool is_dns_subdomain(const char *text); /* at most 253, labels joined by dots */
bool is_label_key(const char *text);     /* [subdomain/]name, name at most 63 */
bool is_label_value(const char *text);   /* at most 63, may be empty */
bool is_port_name(const char *text);     /* at most 15, a-z 0-9 -, one letter */

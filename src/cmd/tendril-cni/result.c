/* SPDX-License-Identifier: Apache-2.0 */
#include "cni.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

int cni_print(json_t *result)
{
	json_dumpf(result, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(result);
	return 0;
}

int cni_fail(const char *version, int code, const char *fmt, ...)
{
	_cleanup_free_ char *message = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&message, fmt, args) < 0)
		message = NULL;
	va_end(args);
	cni_print(json_pack("{s:s, s:i, s:s}", "cniVersion", version, "code", code, "msg",
			    message ? message : "out of memory"));
	return 1;
}

/* Versions before 1.0 name the family in each address. */
static bool names_family(const char *version)
{
	return version[0] == '0';
}

static void add_family(const struct cni_request *request, json_t *ips, json_t *routes,
		       const char *address, bool ipv4)
{
	const char *gateway = ipv4 ? "169.254.1.1" : "fe80::1";
	json_t *ip;

	if (!address)
		return;
	ip = json_pack("{s:s+, s:s, s:i}", "address", address, ipv4 ? "/32" : "/128", "gateway",
		       gateway, "interface", 1);
	if (names_family(request->version))
		json_object_set_new(ip, "version", json_string(ipv4 ? "4" : "6"));
	json_array_append_new(ips, ip);
	json_array_append_new(
		routes, json_pack("{s:s, s:s}", "dst", ipv4 ? "0.0.0.0/0" : "::/0", "gw", gateway));
}

static json_t *host_interface(json_t *reply)
{
	return json_pack("{s:s*, s:s*}", "name",
			 json_string_value(json_object_get(reply, "host_ifname")), "mac",
			 json_string_value(json_object_get(reply, "host_mac")));
}

static json_t *pod_interface(const struct cni_request *request, json_t *reply)
{
	return json_pack("{s:s, s:s*, s:s}", "name", request->ifname, "mac",
			 json_string_value(json_object_get(reply, "mac")), "sandbox",
			 request->netns);
}

json_t *cni_add_result(const struct cni_request *request, json_t *reply)
{
	json_t *ips = json_array(), *routes = json_array();
	const char *ipv4 = json_string_value(json_object_get(reply, "ipv4"));
	const char *ipv6 = json_string_value(json_object_get(reply, "ipv6"));

	add_family(request, ips, routes, ipv4, true);
	add_family(request, ips, routes, ipv6, false);
	return json_pack("{s:s, s:[o, o], s:o, s:o, s:{}}", "cniVersion", request->version,
			 "interfaces", host_interface(reply), pod_interface(request, reply), "ips",
			 ips, "routes", routes, "dns");
}

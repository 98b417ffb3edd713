// SPDX-License-Identifier: BSD-2-Clause
#include "lib/names.h"

#include "bpf/abi.h"

namespace tp
{

template <unsigned size>
static const char *name_of(const char *const (&names)[size], unsigned number)
{
	return number < size && names[number] ? names[number] : "unknown";
}

const char *verdict_name(unsigned verdict)
{
	static const char *const names[] = { "accept", "accept-real", "wait", "reject",
					     "no-header" };

	return name_of(names, verdict);
}

const char *outcome_name(unsigned outcome)
{
	static const char *const names[TP_OUT_MAX] = {
		"none",
		"accepted_v1_proxy",
		"accepted_v1_unknown",
		"accepted_v2_proxy",
		"accepted_v2_local",
		"passed_use",
		"passed_ignore",
		"passed_skip",
		"no_header",
		"bad_v1",
		"bad_v2",
		"bad_command",
		"bad_family",
		"bad_length",
		"bad_tlv",
		"bad_crc",
		"too_long",
		"truncated",
		"timeout",
		"empty",
		"untrusted",
		"version",
		"special_origin",
		"denied",
		"pending_full",
		"map_full",
		"no_listener",
		"internal",
		"ipv6_on_ipv4",
	};

	static_assert(TP_OUT_IPV6_ON_IPV4 + 1 == TP_OUT_MAX, "a new outcome needs a name here");
	return name_of(names, outcome);
}

const char *protocol_name(unsigned protocol)
{
	static const char *const names[] = { "other", "tls", "http", "ssh" };

	return name_of(names, protocol);
}

const char *engine_name(unsigned engine)
{
	static const char *const names[] = { "none", "handshake", "sender", "", "translate" };

	return name_of(names, engine);
}

const char *policy_name(unsigned policy)
{
	static const char *const names[] = { "reject", "require", "use", "ignore", "skip" };

	return name_of(names, policy);
}

const char *command_name(unsigned command)
{
	return command == TP_COMMAND_PROXY ? "proxy" : "local";
}

const char *transport_name(unsigned transport)
{
	static const char *const names[] = { "unspec", "stream", "dgram" };

	return name_of(names, transport);
}

const char *family_name(unsigned family)
{
	switch (family) {
	case TP_FAMILY_NONE:
		return "unspec";
	case TP_FAMILY_UNIX:
		return "unix";
	case TP_FAMILY_IPV4:
		return "ipv4";
	case TP_FAMILY_IPV6:
		return "ipv6";
	default:
		return "unknown";
	}
}

const char *peer_state_name(unsigned state)
{
	static const char *const names[] = { "waiting", "known", "refused", "closed" };

	return name_of(names, state);
}

const char *passed_on_name(unsigned why)
{
	static const char *const names[] = {
		"",           "mptcp",     "md5",       "save_syn", "fast_open",
		"syncookies", "options",   "time_wait", "route",    "no_routing",
		"firewall",   "conntrack", "nat",
	};

	return name_of(names, why);
}

const char *passed_on_reason(unsigned why)
{
	static const char *const names[] = {
		"",
		"the listener speaks MPTCP",
		"the listener uses TCP MD5 signatures or TCP-AO",
		"the listener saves SYNs (TCP_SAVE_SYN)",
		"the listener offers TCP Fast Open",
		"net.ipv4.tcp_syncookies is 0",
		"a client's maximum segment size was too small",
		"a client's port was in TIME_WAIT and could not be taken over",
		"the way back to a client is another than it came by",
		"the kernel does not tell about routes: net.ipv4.conf.lo.forwarding or "
		"net.ipv6.conf.lo.forwarding is 0",
		"netfilter rules: a client's SYN and a segment without one have to reach the "
		"listener first",
		"net.netfilter.nf_conntrack_tcp_loose is 0",
		"netfilter translates addresses (NAT), and the kernel takes no connection from the "
		"engine then",
	};

	return name_of(names, why);
}

} // namespace tp

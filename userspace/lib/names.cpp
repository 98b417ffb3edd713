// SPDX-License-Identifier: BSD-2-Clause
#include "lib/names.h"

#include "bpf/abi.h"

namespace tp
{

/* A case of each entry of a list in bpf/abi/lists.h. */
#define TP_NAME(constant, number, name, ...)                                                       \
	case constant:                                                                             \
		return name;
#define TP_REASON(constant, number, name, reason)                                                  \
	case constant:                                                                             \
		return reason;

const char *verdict_name(unsigned verdict)
{
	switch (verdict) {
		TP_VERDICTS(TP_NAME)
	default:
		return "unknown";
	}
}

const char *outcome_name(unsigned outcome)
{
	switch (outcome) {
		TP_OUTCOMES(TP_NAME)
	default:
		return "unknown";
	}
}

const char *protocol_name(unsigned protocol)
{
	switch (protocol) {
		TP_PROTOCOLS(TP_NAME)
	default:
		return "unknown";
	}
}

const char *engine_name(unsigned engine)
{
	switch (engine) {
		TP_ENGINES(TP_NAME)
	default:
		return "unknown";
	}
}

const char *policy_name(unsigned policy)
{
	switch (policy) {
		TP_POLICIES(TP_NAME)
	default:
		return "unknown";
	}
}

const char *command_name(unsigned command)
{
	return command == TP_COMMAND_PROXY ? "proxy" : "local";
}

const char *transport_name(unsigned transport)
{
	switch (transport) {
	case TP_TRANSPORT_NONE:
		return "unspec";
	case TP_TRANSPORT_STREAM:
		return "stream";
	case TP_TRANSPORT_DGRAM:
		return "dgram";
	default:
		return "unknown";
	}
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
	switch (state) {
	case 0:
		return "waiting";
	case TP_PEER_KNOWN:
		return "known";
	case TP_PEER_REFUSED:
		return "refused";
	case TP_PEER_CLOSED:
		return "closed";
	default:
		return "unknown";
	}
}

const char *passed_on_name(unsigned why)
{
	switch (why) {
		TP_PASSED_ON(TP_NAME)
	default:
		return "unknown";
	}
}

const char *passed_on_reason(unsigned why)
{
	switch (why) {
		TP_PASSED_ON(TP_REASON)
	default:
		return "unknown";
	}
}

} // namespace tp

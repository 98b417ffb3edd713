// SPDX-License-Identifier: BSD-2-Clause
/* Checks when headers were last accepted, and what was refused since then. */
#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/event_ring.h"
#include "base/log.h"
#include "base/outcomes.h"
#include "doctor/checks.h"
#include "lib/names.h"

namespace tp
{

/* What the history tells of one service. */
struct Lately {
	uint64_t accepted_ns = 0;             /* when a header was last accepted; 0: never */
	std::map<uint32_t, uint64_t> refused; /* by outcome, since then */
	uint64_t refused_ns = 0;              /* the last time */
	uint32_t last_outcome = TP_OUT_NONE;
	std::string last_proxy;
};

static void take_event(const tp_event &event, Lately &lately)
{
	if (is_accepted(event.outcome)) {
		lately.accepted_ns = std::max<uint64_t>(lately.accepted_ns, event.time_ns);
		lately.refused.clear();
	} else if (is_refused(event.outcome) && event.outcome != TP_OUT_EMPTY) {
		lately.refused[event.outcome]++;
		lately.refused_ns = event.time_ns;
		lately.last_outcome = event.outcome;
		lately.last_proxy = format_endpoint(event.peer.proxy);
	}
}

static Result<std::map<uint32_t, Lately>> read_history(const Context &context)
{
	History history = TP_TRY(History::open(context.pin_dir));
	std::map<uint32_t, Lately> lately;

	history.read([&](const tp_event &event) { take_event(event, lately[event.peer.service]); });
	return lately;
}

static const char *outcome_remedy(uint32_t outcome)
{
	switch (outcome) {
	case TP_OUT_NO_HEADER:
		return "let the proxy send headers (HAProxy: send-proxy-v2, nginx: proxy_protocol "
		       "on), or give the network of clients without one the policy use";
	case TP_OUT_TIMEOUT:
		return "let the proxy send headers (HAProxy: send-proxy-v2, nginx: proxy_protocol "
		       "on); clients of protocols in which the server speaks first wait until the "
		       "header timeout";
	case TP_OUT_UNTRUSTED:
		return "if this is a proxy of yours, add its network to --trust (at once: truepeer "
		       "policy set CIDR require)";
	case TP_OUT_VERSION:
		return "let the proxy send a version that --versions allows, or change that";
	case TP_OUT_TOO_LONG:
		return "raise --max-header";
	case TP_OUT_DENIED:
		return "truepeer deny list shows which network has refused how many";
	default:
		return "truepeer events --refused shows the connections, truepeer decode explains "
		       "a "
		       "header, and docs/OPERATIONS.md the outcomes";
	}
}

/* So many refusals in a row are not the faults of single clients. */
static constexpr uint64_t many = 10;
/* After this time without a header, refusals mean that something is wrong with the proxy. */
static constexpr uint64_t long_ago = 60;

static void check_history(const ServedAt &service, const Lately &lately,
			  const tp_counters_entry &counters, Findings &findings)
{
	uint64_t accepted = count_outcomes(counters, is_accepted), refused = 0;

	for (const auto &[outcome, count] : lately.refused)
		refused += count;
	if (lately.accepted_ns)
		findings.remark(fmt::format("{}: a header was last accepted {} s ago",
					    service.listen(), seconds_since(lately.accepted_ns)));
	bool never = accepted == 0;
	bool stopped = lately.accepted_ns && refused >= many &&
		       seconds_since(lately.accepted_ns) >= long_ago;
	if (refused == 0 || (!never && !stopped))
		return;
	std::string when = never ? "since the agent started, no header has been accepted" :
				   fmt::format("the last header was accepted {} s ago",
					       seconds_since(lately.accepted_ns));
	findings.add(
		Severity::warning, service.listen(),
		fmt::format("{}, and {} been refused since then, the last {} s ago, from {} "
			    "({})",
			    when,
			    refused == 1 ? "1 connection has" :
					   fmt::format("{} connections have", refused),
			    seconds_since(lately.refused_ns),
			    lately.last_proxy.empty() ? "an unknown address" : lately.last_proxy,
			    outcome_name(lately.last_outcome)),
		outcome_remedy(lately.last_outcome));
}

void check_headers(const Context &context, Findings &findings)
{
	Result<std::map<uint32_t, Lately>> history = read_history(context);

	if (!history)
		return findings.skip(history.error());
	for_each_counted(
		context, findings, [&](const ServedAt &service, const tp_counters_entry &counters) {
			check_history(service, (*history)[service.value.id], counters, findings);
		});
}

} // namespace tp

// SPDX-License-Identifier: BSD-2-Clause
#include "agent.h"

#include <signal.h>

namespace bench
{

static constexpr uint64_t second = 1'000'000'000;

Error failed(const char *what, std::string reason)
{
	while (!reason.empty() && reason.back() == '\n')
		reason.pop_back();
	return { tp::ErrorCode::system, what, "", interrupted() ? "interrupted" : reason };
}

Result<Agent> Agent::started(Result<Child> child, Fd output)
{
	Agent agent;

	if (!child)
		return child.error();
	agent.child_ = std::move(*child);
	agent.output_ = std::move(output);
	auto ready = [&] {
		return ("\n" + content_of(agent.output_)).find("\nready") != std::string::npos;
	};
	eventually([&] { return ready() || !agent.child_.running(); }, 30 * second);
	if (!ready()) {
		Error error = failed("start agent", content_of(agent.output_));

		error.code = tp::ErrorCode::incompatible;
		return error;
	}
	return agent;
}

Status Agent::stop(const Place &place, unsigned seconds)
{
	child_.signal(SIGTERM);
	if (!child_.wait(seconds * second))
		return failed("stop agent",
			      "it still runs after " + std::to_string(seconds) + " seconds");
	return place.clear_pins();
}

} // namespace bench

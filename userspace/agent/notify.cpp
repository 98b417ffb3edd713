// SPDX-License-Identifier: BSD-2-Clause
#include "agent/notify.h"

#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <ctime>

#include <fmt/core.h>

#include "base/log.h"

namespace tp
{

/* How long a start or a stop may take without another word of the agent. */
static constexpr uint64_t longest_step_us = 300'000'000;

/* How many entries of tp_origins a tick looks at, and how long the agent rests between counts. */
static constexpr size_t entries_of_tick = 4096;
static constexpr uint64_t between_counts_us = 5'000'000;

static uint64_t monotonic_us()
{
	timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1'000'000 + (uint64_t)now.tv_nsec / 1000;
}

ServiceManager::ServiceManager() : wanted_(std::getenv("NOTIFY_SOCKET") != nullptr)
{
	if (sd_watchdog_enabled(0, &watchdog_us_) <= 0)
		watchdog_us_ = 0;
}

/* A manager that does not listen any more is no reason to stop serving. */
void ServiceManager::say(const std::string &state) const
{
	if (wanted_)
		(void)sd_notify(0, state.c_str());
}

void ServiceManager::starting(const std::string &status)
{
	say(fmt::format("STATUS={}\nEXTEND_TIMEOUT_USEC={}", status, longest_step_us));
}

void ServiceManager::ready(const std::string &summary)
{
	summary_ = summary;
	say(fmt::format("READY=1\nSTATUS={}", summary_));
	fed_us_ = 0;
	next_count_us_ = 0;
}

void ServiceManager::reloading()
{
	say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading the configuration\n"
			"EXTEND_TIMEOUT_USEC={}\nWATCHDOG=1",
			monotonic_us(), longest_step_us));
}

void ServiceManager::stopping()
{
	say(fmt::format("STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC={}", longest_step_us));
}

void ServiceManager::failed(const std::string &why)
{
	say("STATUS=" + why);
}

void ServiceManager::feed_watchdog()
{
	uint64_t now = monotonic_us();

	/* twice as often as sd_watchdog_enabled(3) asks for */
	if (!watchdog_us_ || now - fed_us_ < watchdog_us_ / 4)
		return;
	say("WATCHDOG=1");
	fed_us_ = now;
}

void ServiceManager::say_status()
{
	say(fmt::format("STATUS={}; {}", summary_, count_text(live_, "live connection")));
}

void ServiceManager::count(int origins, uint64_t now)
{
	Result<bool> whole = scan_.next(
		origins, "tp_origins", entries_of_tick,
		[&](uint64_t, const tp_peer &peer) { counted_ += peer.state != TP_PEER_CLOSED; });

	if (whole && !*whole)
		return;
	if (whole) {
		live_ = counted_;
		say_status();
	}
	counted_ = 0;
	next_count_us_ = now + between_counts_us;
}

void ServiceManager::tick(int origins)
{
	if (!wanted_)
		return;
	uint64_t now = monotonic_us();

	feed_watchdog();
	if (now >= next_count_us_)
		count(origins, now);
}

} // namespace tp

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the service manager how the agent is (sd_notify(3)). Without a $NOTIFY_SOCKET nothing is
 * told, and nothing here costs anything.
 */
#ifndef TP_AGENT_NOTIFY_H
#define TP_AGENT_NOTIFY_H

#include <cstdint>
#include <string>

#include "base/maps.h"
#include "bpf/abi.h"

namespace tp
{

class ServiceManager
{
public:
	ServiceManager();

	/* Asks for more time, because the start takes long on a slow host. */
	void starting(const std::string &status);

	/* Says that connections are taken, so that units that come after this one may start. */
	void ready(const std::string &summary);

	/* Call ready() when the reload has its result, even if that is a failure. */
	void reloading();

	void stopping();

	/* Call it at least as often as the watchdog asks for. */
	void feed_watchdog();

	/* Says why the agent ends. */
	void failed(const std::string &why);

	/*
	 * Shows the watchdog that the event loop is running, and keeps the number of live
	 * connections in the status. The loop may call it at any rate. `origins` is tp_origins.
	 */
	void tick(int origins);

private:
	void count(int origins, uint64_t now);
	void say(const std::string &state) const;
	void say_status();

	bool wanted_ = false;
	uint64_t watchdog_us_ = 0; /* 0: there is none */
	uint64_t fed_us_ = 0;
	std::string summary_;
	/* A count of the live connections is spread over several ticks. */
	HashScan<uint64_t, tp_peer> scan_;
	uint64_t counted_ = 0, next_count_us_ = 0;
	uint64_t live_ = 0;
};

} // namespace tp

#endif

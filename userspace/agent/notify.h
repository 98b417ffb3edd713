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

	/* The start takes long on a slow host, and is not to be given up for that. */
	void starting(const std::string &status);

	/* Connections are taken: units that come after this one may start. */
	void ready(const std::string &summary);

	/* To be followed by ready() when the reload has its result, whatever that is. */
	void reloading();

	void stopping();

	/* To be called at least as often as the watchdog asks for. */
	void feed_watchdog();

	/* Why the agent ends. */
	void failed(const std::string &why);

	/*
	 * From the event loop, as often as it likes: shows the watchdog that the loop goes round,
	 * and keeps the number of live connections in the status. `origins` is tp_origins.
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

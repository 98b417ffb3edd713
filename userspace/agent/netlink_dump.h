/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole tables of the kernel, by netlink. */
#ifndef TP_AGENT_NETLINK_DUMP_H
#define TP_AGENT_NETLINK_DUMP_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "agent/netlink.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/*
 * A dump that is read bit by bit. If the kernel's tables change meanwhile, it is read again from
 * the beginning, a few times.
 */
class Dump
{
public:
	using Clock = std::chrono::steady_clock;
	struct Reader {
		/* called at the beginning, and whenever the dump begins again: forget everything */
		std::function<void()> begin;
		std::function<void(const nlmsghdr *)> each;
	};

	/*
	 * `bus` is NETLINK_ROUTE, with a `type` RTM_GET*, or NETLINK_SOCK_DIAG, with
	 * SOCK_DIAG_BY_FAMILY; the request's body follows. Works in this thread's namespace.
	 */
	static Result<Dump> start(int bus, uint16_t type, const void *body, size_t size);

	/* Reads on until the end, which returns true, or until `deadline`. */
	Result<bool> read(const Reader &reader, Clock::time_point deadline);

	/* After the end: whether the table kept changing, so that the result may be wrong. */
	bool uncertain() const { return spoilt_; }

private:
	Status ask();
	Result<bool> take(const Reader &reader, size_t length);

	int bus_ = NETLINK_ROUTE;
	Fd fd_;
	std::vector<char> request_, buffer_ = std::vector<char>(65536);
	unsigned tries_ = 0;
	uint32_t sequence_ = 0;
	bool asked_ = false, spoilt_ = false;
};

/* Reads the whole dump. Returns false if it may be wrong. */
Result<bool> dump(int bus, uint16_t type, const void *body, size_t size,
		  const Dump::Reader &reader);

} // namespace tp

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics of a network namespace's routes, for the handshake engine's SYN-ACKs, because BPF
 * programs cannot ask for them. They come from the tables main and default; policy routing is not
 * taken into account (docs/LIMITS.md).
 */
#ifndef TP_AGENT_ROUTES_H
#define TP_AGENT_ROUTES_H

#include <map>
#include <optional>
#include <string>

#include "agent/watch/followed.h"
#include "agent/watch/namespace.h"
#include "agent/watch/rtnetlink.h"
#include "base/fd.h"
#include "base/flow.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

class Routes : public Followed
{
public:
	/* `map` is tp_routes, borrowed. `netns` is as in the flows. */
	static Result<Routes> open(const Namespace &space, uint64_t netns, int map,
				   Told told = Told::by_socket);

	/* Removes them from the map. */
	void clear();

	void leave() override;

	/* Whether any route has metrics that matter. */
	bool any() const { return !entries_.empty(); }

private:
	/* Brings the map up to date. */
	Result<Progress> read_some(Clock::time_point deadline) override;

	using Entries = std::map<tp_route_key, tp_route, KeyLess<tp_route_key>>;

	Routes(const Namespace &space, uint64_t netns, int map)
	    : space_(&space), netns_(netns), map_(map)
	{
	}
	/*
	 * If no route has metrics, which is usual, none is kept, even if there are a million. So
	 * the first look only finds out whether any route has metrics, and only then are the routes
	 * read.
	 */
	enum class Phase { look_ipv4, look_ipv6, read_ipv4, read_ipv6, write };

	bool looks() const { return phase_ == Phase::look_ipv4 || phase_ == Phase::look_ipv6; }
	int family() const;
	void take(const nlmsghdr *message);
	Result<bool> read_phase(Clock::time_point deadline);
	Result<bool> read_phases(Clock::time_point deadline);
	void next_phase();
	void start_again();
	Status write();

	const Namespace *space_;
	uint64_t netns_;
	int map_;
	Entries entries_; /* what is in the map */
	/* used while the routes are read */
	Phase phase_ = Phase::look_ipv4;
	std::optional<Dump> dump_;
	bool metrics_ = false, certain_ = true;
	Entries fresh_, of_family_;
};

} // namespace tp

#endif

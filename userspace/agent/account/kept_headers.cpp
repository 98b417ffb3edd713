// SPDX-License-Identifier: BSD-2-Clause
#include "agent/account/kept_headers.h"

#include "base/clock.h"

namespace tp
{

/* After this time, a complete header does not get a socket any more. */
static constexpr uint64_t too_late_ns = 120'000'000'000ull;

static constexpr size_t kept_per_tick = 2048;

/* There is hardly ever anything to remove, so a look now and then is enough. */
static constexpr unsigned every = 50;

template <typename Header>
static void sweep(int map, const char *name, HashScan<tp_flow, Header> &scan)
{
	std::vector<tp_flow> late;
	uint64_t now = boot_time_ns();
	Result<bool> scanned =
		scan.next(map, name, kept_per_tick, [&](const tp_flow &flow, const Header &header) {
			if (!header.has_socket && now > header.kept_ns + too_late_ns)
				late.push_back(flow);
		});

	(void)bool(scanned); /* another tick will do it */
	for (const tp_flow &flow : late)
		bpf_map_delete_elem(map, &flow);
}

void KeptHeaders::tick()
{
	if (++ticks_ % every != 0)
		return;
	sweep(small_, "tp_headers", small_scan_);
	sweep(large_, "tp_headers_large", large_scan_);
}

} // namespace tp

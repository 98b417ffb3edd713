// SPDX-License-Identifier: BSD-2-Clause
#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include <fmt/core.h>

#include "base/clock.h"

namespace tp
{

static constexpr uint64_t between_ns = 100'000'000;

/* The clock is asked once for so many steps. */
static constexpr size_t in_a_row = 256;

Progress::Progress(std::string what, size_t total, const char *unit)
    : what_(std::move(what)), unit_(unit), total_(total), next_ns_(boot_time_ns() + between_ns),
      terminal_(isatty(STDERR_FILENO) != 0)
{
}

Progress::~Progress()
{
	if (shown_)
		(void)std::fputs("\r\x1b[K", stderr);
}

void Progress::step()
{
	if (++done_ % in_a_row || !terminal_)
		return;
	uint64_t now = boot_time_ns();
	if (now < next_ns_)
		return;
	next_ns_ = now + between_ns;
	show();
}

void Progress::show()
{
	std::string line = fmt::format("\r{}: {} of {} {}\x1b[K", what_, done_, total_, unit_);

	(void)std::fwrite(line.data(), 1, line.size(), stderr);
	(void)std::fflush(stderr);
	shown_ = true;
}

} // namespace tp

// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/followed.h"

#include <sys/socket.h>

#include <algorithm>

#include "agent/watch/rtnetlink.h"

namespace tp
{

/* How long one read may take. A tick comes five times a second. */
static constexpr auto most_at_once = std::chrono::milliseconds(20);

/* The least time between the end of one reading and the beginning of the next. */
static constexpr auto shortest_pause = std::chrono::milliseconds(200);

/* The least pause, as a multiple of the time that the reading has taken. */
static constexpr int pause_factor = 9;

Status Followed::listen(const Namespace &space, uint32_t groups)
{
	Inside inside = TP_TRY(Inside::enter(space));

	events_ = TP_TRY(open_rtnetlink(groups, SOCK_NONBLOCK));
	return success();
}

Status Followed::load()
{
	Progress progress = TP_TRY(read_some(Clock::time_point::max()));

	changed_ = progress == Progress::uncertain;
	next_ = Clock::now() + shortest_pause;
	times_read_++;
	return success();
}

Status Followed::go_on()
{
	Clock::time_point start = Clock::now();

	if (!reading_ && (!changed_ || start < next_))
		return success();
	if (!reading_) { /* the kernel reports what changes from here on once more */
		changed_ = false;
		taken_ = {};
	}
	reading_ = true;
	Result<Progress> progress = read_some(start + most_at_once);
	taken_ += Clock::now() - start;
	if (progress && *progress == Progress::more)
		return success();
	reading_ = false;
	times_read_++;
	changed_ |= !progress || *progress == Progress::uncertain;
	next_ = Clock::now() + std::max<Clock::duration>(shortest_pause, pause_factor * taken_);
	return progress ? success() : Status(progress.error());
}

Status Followed::handle()
{
	drain(events_.get());
	changed_ = true;
	return go_on();
}

void Followed::leave()
{
	events_.reset();
	changed_ = reading_ = false;
}

Status Followed::tick()
{
	return go_on();
}

} // namespace tp

// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"

#include <ctime>

#include <fmt/core.h>

namespace tp
{

static constexpr uint64_t second_ns = 1'000'000'000;

static uint64_t read_clock(clockid_t clock)
{
	timespec now = {};

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

uint64_t boot_time_ns()
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t realtime_ns()
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t realtime_offset_ns()
{
	return realtime_ns() - boot_time_ns();
}

uint64_t seconds_since(uint64_t boot_ns)
{
	uint64_t now = boot_time_ns();

	return now > boot_ns ? (now - boot_ns) / second_ns : 0;
}

/* Up to the second, without a zone. */
static std::string date_and_time(uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / second_ns);
	char text[32];
	tm parts;

	gmtime_r(&seconds, &parts);
	std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	return text;
}

std::string format_time(uint64_t time_ns)
{
	return fmt::format("{}.{:06}Z", date_and_time(time_ns), time_ns % second_ns / 1000);
}

std::string format_second(uint64_t time_ns)
{
	return date_and_time(time_ns) + "Z";
}

} // namespace tp

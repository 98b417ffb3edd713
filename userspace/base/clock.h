/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs' clock and the time of day. */
#ifndef TP_BASE_CLOCK_H
#define TP_BASE_CLOCK_H

#include <cstdint>
#include <string>

namespace tp
{

/* CLOCK_BOOTTIME, by which the programs note times. */
uint64_t boot_time_ns();

/* CLOCK_REALTIME, since 1970. */
uint64_t realtime_ns();

/* What is to be added to a time of boot_time_ns() for the time of day. It may wrap around. */
uint64_t realtime_offset_ns();

/* Whole seconds since that time of boot_time_ns(), or 0 if it is still to come. */
uint64_t seconds_since(uint64_t boot_ns);

/* The time in UTC, as in 2026-04-27T08:15:30.123456Z. */
std::string format_time(uint64_t time_ns);

/* The same without the fraction, as in 2026-04-27T08:15:30Z. */
std::string format_second(uint64_t time_ns);

} // namespace tp

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* A line that tells how far long work has come, on a terminal. */
#ifndef TP_CLI_PROGRESS_H
#define TP_CLI_PROGRESS_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace tp
{

/*
 * Nothing is shown if standard error is not a terminal, or if the work takes only a moment. The
 * destructor removes the line.
 */
class Progress
{
public:
	/* "deny add: 120000 of 1000000 networks" */
	Progress(std::string what, size_t total, const char *unit);
	~Progress();
	Progress(const Progress &) = delete;
	Progress &operator=(const Progress &) = delete;

	/* One more is done. */
	void step();

private:
	void show();

	std::string what_;
	const char *unit_;
	size_t total_, done_ = 0;
	uint64_t next_ns_;
	bool terminal_, shown_ = false;
};

} // namespace tp

#endif

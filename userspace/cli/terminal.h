/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A terminal on which a view is drawn again and again. It is left as it was, however the view ends,
 * also while it is stopped (SIGTSTP).
 */
#ifndef TP_CLI_TERMINAL_H
#define TP_CLI_TERMINAL_H

#include <sys/types.h>
#include <termios.h>

#include <chrono>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

/* Whether colours may be written to standard output: it is a terminal, and NO_COLOR is not set. */
bool wants_colours();

class Terminal
{
public:
	/*
	 * Blocks the signals that wait() then reports. Without `draw`, a terminal is written to
	 * like a file.
	 */
	static Result<Terminal> open(bool draw);
	Terminal(Terminal &&other) noexcept;
	Terminal &operator=(Terminal &&) = delete;
	~Terminal();

	/*
	 * Whether standard output is a terminal; otherwise show() prints one text after the other.
	 */
	bool is_screen() const { return screen_; }

	struct Size {
		size_t rows, columns;
	};
	Size size() const;

	/* Draws the text, cut to the terminal's size. Lines may have colours. */
	Status show(const std::string &text);

	enum class Event {
		time,   /* the time is over */
		resize, /* draw again */
		end,    /* q, Ctrl-C, another signal, or nobody reads any more */
	};
	/* Waits until this time of CLOCK_MONOTONIC, or for an event before it. */
	Event wait(std::chrono::steady_clock::time_point until);

private:
	Terminal() = default;
	void enter();
	void leave();
	bool read_key();
	Event read_signal();

	bool screen_ = false, keys_ = false, entered_ = false;
	Fd signals_;
	termios before_ = {};
};

/* The first `columns` places of the line; colours take no place. */
std::string cut_line(const std::string &line, size_t columns);

} // namespace tp

#endif

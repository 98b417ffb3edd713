// SPDX-License-Identifier: BSD-2-Clause
#include "cli/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

#include <fmt/core.h>

#include "base/files.h"

namespace tp
{

/* The other screen, which has no lines to scroll back to; no cursor; no wrapped lines. */
static constexpr const char *enter_sequence = "\x1b[?1049h\x1b[?25l\x1b[?7l";
static constexpr const char *leave_sequence = "\x1b[?7h\x1b[?25h\x1b[?1049l";

static sigset_t held()
{
	sigset_t mask;

	sigemptyset(&mask);
	for (int number : { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP })
		sigaddset(&mask, number);
	return mask;
}

bool wants_colours()
{
	const char *no_color = std::getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (!no_color || !*no_color);
}

Result<Terminal> Terminal::open(bool draw)
{
	sigset_t mask = held();
	Terminal terminal;

	terminal.screen_ = draw && isatty(STDOUT_FILENO);
	terminal.keys_ = terminal.screen_ && isatty(STDIN_FILENO) &&
			 tcgetattr(STDIN_FILENO, &terminal.before_) == 0;
	terminal.signals_ = Fd(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
	if (!terminal.signals_ || sigprocmask(SIG_BLOCK, &mask, nullptr))
		return system_error("hold", "signals");
	signal(SIGPIPE, SIG_IGN);
	terminal.enter();
	return terminal;
}

Terminal::Terminal(Terminal &&other) noexcept
    : screen_(other.screen_), keys_(other.keys_), entered_(std::exchange(other.entered_, false)),
      signals_(std::move(other.signals_)), before_(other.before_)
{
}

Terminal::~Terminal()
{
	leave();
}

void Terminal::enter()
{
	termios mode = before_;

	if (!screen_)
		return;
	/* keys come at once and are not echoed; Ctrl-C and Ctrl-Z remain signals */
	mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	mode.c_cc[VMIN] = 0;
	mode.c_cc[VTIME] = 0;
	if (keys_)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
	write_all(STDOUT_FILENO, enter_sequence);
	entered_ = true;
}

void Terminal::leave()
{
	if (!std::exchange(entered_, false))
		return;
	write_all(STDOUT_FILENO, leave_sequence);
	if (keys_)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

Terminal::Size Terminal::size() const
{
	winsize size = {};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		return { 24, 80 };
	return { size.ws_row, size.ws_col };
}

std::string cut_line(const std::string &line, size_t columns)
{
	std::string out;
	size_t places = 0;

	for (size_t i = 0; i < line.size(); i++) {
		if (line[i] == '\x1b') { /* a colour: as far as its letter */
			size_t end = line.find('m', i);

			out += line.substr(i, end == line.npos ? end : end - i + 1);
			if (end == line.npos)
				break;
			i = end;
		} else if (places < columns) {
			out += line[i];
			places++;
		}
	}
	return out;
}

Status Terminal::show(const std::string &text)
{
	std::istringstream lines(text);
	Size room = size();
	std::string out = "\x1b[H";
	size_t rows = 0;

	if (!screen_) {
		if (!write_all(STDOUT_FILENO, text))
			return system_error("write", "standard output");
		return success();
	}
	for (std::string line; rows < room.rows && std::getline(lines, line); rows++)
		out += fmt::format("{}{}\x1b[K", rows ? "\r\n" : "", cut_line(line, room.columns));
	if (!write_all(STDOUT_FILENO, out + "\x1b[J"))
		return system_error("write", "standard output");
	return success();
}

/* Returns whether it was q. */
bool Terminal::read_key()
{
	char keys[64];
	ssize_t got = read(STDIN_FILENO, keys, sizeof(keys));

	if (got <= 0) /* the terminal has gone: only signals and the clock are left */
		keys_ = false;
	return std::find(keys, keys + std::max<ssize_t>(got, 0), 'q') !=
	       keys + std::max<ssize_t>(got, 0);
}

Terminal::Event Terminal::read_signal()
{
	signalfd_siginfo info = {};

	if (read(signals_.get(), &info, sizeof(info)) != sizeof(info))
		return Event::resize;
	if (info.ssi_signo == SIGTSTP) {
		leave();
		raise(SIGSTOP);
		enter();
		return Event::resize;
	}
	return info.ssi_signo == SIGWINCH ? Event::resize : Event::end;
}

Terminal::Event Terminal::wait(std::chrono::steady_clock::time_point until)
{
	using namespace std::chrono;

	for (;;) {
		auto left = ceil<milliseconds>(until - steady_clock::now()).count();
		pollfd polled[] = { { signals_.get(), POLLIN, 0 },
				    { keys_ ? STDIN_FILENO : -1, POLLIN, 0 } };

		if (left <= 0)
			return Event::time;
		if (poll(polled, 2, (int)std::min<int64_t>(left, 3600'000)) <= 0)
			continue;
		if (polled[1].revents && read_key())
			return Event::end;
		if (polled[0].revents)
			return read_signal();
	}
}

} // namespace tp

// SPDX-License-Identifier: BSD-2-Clause
/* truepeer top: rates, and what it leaves of a terminal. */
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/thread.h"

namespace live
{

class Top : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Top,
			 testing::Values(Case{ "translate", false, ServerKind::blocking }),
			 case_name);

TEST_P(Top, shows_what_came_in_between)
{
	live([](World &w) {
		Process top({ build_path("truepeer"), "top", "--json", "--interval", "0.3",
			      "--pin-dir", w.agent->pin_dir() });
		auto lines = [&] {
			std::vector<nlohmann::json> objects;
			std::istringstream out(top.out());

			for (std::string line; std::getline(out, line) && !out.eof();)
				objects.push_back(nlohmann::json::parse(line));
			return objects;
		};
		double begun = 0, accepted = 0, refused = 0, http = 0;
		size_t seen = 0;

		ASSERT_TRUE(eventually([&] { return lines().size() == 1; }));
		Client client = w.connect();
		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		Client bad = w.connect();
		ASSERT_TRUE(bad.send("GET / HTTP/1.1\r\n\r\n"));
		w.expect_refused(bad, "no_header");
		/* what is counted in all intervals together */
		EXPECT_TRUE(eventually([&] {
			for (auto objects = lines(); seen < objects.size(); seen++) {
				const auto &service = objects[seen].at("services").at(0);
				double seconds = objects[seen].at("seconds");

				EXPECT_EQ(service.at("listen"), w.service.text());
				begun += service.at("begun").get<double>() * seconds;
				accepted += service.at("accepted").get<double>() * seconds;
				refused += service.at("outcomes").value("no_header", 0.0) * seconds;
				http += service.at("no_header").value("http", 0.0) * seconds;
				if (service.at("accepted") > 0) {
					EXPECT_GT(service.at("header_wait_seconds").at("p99"), 0);
				}
			}
			return begun > 1.9 && refused > 0.9;
		}));
		EXPECT_NEAR(begun, 2, 0.1);
		EXPECT_NEAR(accepted, 1, 0.1);
		EXPECT_NEAR(refused, 1, 0.1);
		EXPECT_NEAR(http, 1, 0.1);
		EXPECT_EQ(lines().back().at("connections"), 1);
		top.signal(SIGINT);
		EXPECT_EQ(top.wait(5s), 0);
	});
}

TEST_P(Top, once_is_a_table_without_colours_where_there_is_no_terminal)
{
	live([](World &w) {
		Finished once = w.agent->command({ "top", "--once", "--interval", "0.1" });

		EXPECT_EQ(once.code, 0) << once.err;
		EXPECT_EQ(once.out.find('\x1b'), std::string::npos) << once.out;
		EXPECT_NE(once.out.find("\nSERVICE "), std::string::npos) << once.out;
		EXPECT_NE(once.out.find("\n" + w.service.text() + " "), std::string::npos)
			<< once.out;
		EXPECT_EQ(w.agent->command({ "top", "--interval", "0.01" }).code, 2);
		Finished nowhere = run({ build_path("truepeer"), "top", "--once", "--pin-dir",
					 w.box.dir() + "/bpf/none" });
		EXPECT_EQ(nowhere.code, 1);
		EXPECT_NE(nowhere.err.find("no truepeer is running here"), std::string::npos);
	});
}

/* `truepeer top` on a terminal of 12 rows and 40 columns. */
class OnTerminal
{
public:
	explicit OnTerminal(const World &w, bool no_color = false)
	{
		winsize size = { 12, 40, 0, 0 };
		std::string program = build_path("truepeer");

		if (openpty(&master_, &slave_, nullptr, nullptr, &size) ||
		    tcgetattr(slave_, &before_))
			give_up("open a terminal");
		pid_ = fork();
		if (pid_ == 0) {
			login_tty(slave_);
			if (no_color)
				setenv("NO_COLOR", "1", 1);
			else
				unsetenv("NO_COLOR");
			execl(program.c_str(), program.c_str(), "top", "--interval", "0.1",
			      "--pin-dir", w.agent->pin_dir().c_str(), nullptr);
			_exit(127);
		}
	}
	~OnTerminal()
	{
		kill(pid_, SIGKILL);
		waitpid(pid_, nullptr, 0);
		close(master_);
		close(slave_);
	}

	/* What was written, until it has this text. */
	bool shows(const std::string &text)
	{
		return eventually([&] {
			char buffer[4096];

			while (polls_readable(master_, 10ms)) {
				ssize_t got = read(master_, buffer, sizeof(buffer));

				if (got <= 0)
					break;
				written_.append(buffer, (size_t)got);
			}
			return written_.find(text) != std::string::npos;
		});
	}
	void type(const std::string &keys) const
	{
		if (write(master_, keys.data(), keys.size()) != (ssize_t)keys.size())
			give_up("type");
	}
	void resize(unsigned short rows, unsigned short columns)
	{
		winsize size = { rows, columns, 0, 0 };

		written_.clear();
		ioctl(master_, TIOCSWINSZ, &size);
	}
	/* The exit code; what is left of the terminal is as before. */
	int end()
	{
		int status = -1;

		if (!shows("\x1b[?1049l") ||
		    !eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }))
			return -1;
		termios after;
		tcgetattr(slave_, &after);
		EXPECT_EQ(after.c_lflag, before_.c_lflag);
		EXPECT_EQ(after.c_cc[VMIN], before_.c_cc[VMIN]);
		EXPECT_NE(written_.find("\x1b[?25h"), std::string::npos) << "no cursor";
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	const std::string &written() const { return written_; }

private:
	int master_ = -1, slave_ = -1;
	pid_t pid_ = -1;
	termios before_ = {};
	std::string written_;
};

TEST_P(Top, leaves_the_terminal_as_it_was)
{
	live([](World &w) {
		OnTerminal by_key(w), by_signal(w, true);

		EXPECT_TRUE(by_key.shows("\x1b[1mSERVICE"));
		EXPECT_TRUE(by_key.shows(w.service.text()));
		/* no line is longer than the terminal, which may then become wider */
		EXPECT_EQ(by_key.written().find("P99"), std::string::npos);
		by_key.resize(30, 120);
		EXPECT_TRUE(by_key.shows("P99"));
		by_key.type("q");
		EXPECT_EQ(by_key.end(), 0);
		EXPECT_TRUE(by_signal.shows(w.service.text()));
		EXPECT_EQ(by_signal.written().find("\x1b[1m"), std::string::npos);
		by_signal.type("\x03"); /* Ctrl-C */
		EXPECT_EQ(by_signal.end(), 0);
	});
}

} // namespace live

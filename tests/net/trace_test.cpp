// SPDX-License-Identifier: BSD-2-Clause
/* truepeer trace: what the programs decide of each packet of one client. */
#include <signal.h>

#include <sstream>

#include <nlohmann/json.hpp>

#include "support/live.h"

namespace live
{

class Trace : public Live
{
protected:
	using Lines = std::vector<nlohmann::json>;

	/* `truepeer trace CLIENT`, when it has begun. */
	static Process start(const World &w, const std::string &client,
			     const std::vector<std::string> &more = {})
	{
		std::vector<std::string> arguments = {
			build_path("truepeer"), "trace", client, "--json", "--pin-dir",
			w.agent->pin_dir()
		};

		arguments.insert(arguments.end(), more.begin(), more.end());
		Process trace(arguments);
		EXPECT_TRUE(eventually([&] {
			return trace.err().find("tracing ") != std::string::npos;
		})) << trace.err();
		return trace;
	}
	static Lines lines(const Process &trace)
	{
		std::istringstream text(trace.out());
		Lines all;

		for (std::string line; std::getline(text, line);)
			all.push_back(nlohmann::json::parse(line));
		return all;
	}
	static bool has(const Lines &all, const nlohmann::json &wanted)
	{
		return std::any_of(all.begin(), all.end(), [&](const nlohmann::json &line) {
			for (const auto &[key, value] : wanted.items())
				if (!line.contains(key) || line[key] != value)
					return false;
			return true;
		});
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Trace, blocking_cases(), case_name);

TEST_P(Trace, shows_each_packet_and_the_outcome)
{
	live([](World &w) {
		Process trace = start(w, w.proxy);
		Client client = w.connect();
		std::string header = w.header(2);
		bool handshake = w.c.engine == "handshake";

		ASSERT_TRUE(client.send(header + "hello"));
		w.expect_session(0, w.origin(), "hello");
		std::string from = name_of(client.fd()).text();
		ASSERT_TRUE(eventually([&] {
			return has(lines(trace), { { "outcome", "accepted_v2_proxy" } });
		})) << trace.out();
		Lines all = lines(trace);
		EXPECT_TRUE(
			has(all, { { "from", from },
				   { "to", w.service.text() },
				   { "flags", "S" },
				   { "program", handshake ? "tp_handshake" : "tp_translate_in" },
				   { "verdict", handshake ? "answered" : "passed" } }))
			<< trace.out();
		EXPECT_TRUE(has(all, { { "from", from },
				       { "length", header.size() + 5 },
				       { "verdict", "passed" } }))
			<< trace.out();
		EXPECT_TRUE(has(all, { { "from", from }, { "origin", w.origin() } }))
			<< trace.out();
		if (w.c.engine == "translate") { /* what follows is translated, both ways */
			int bytes = (int)header.size();

			ASSERT_TRUE(client.send("again"));
			w.expect_session(0, w.origin(), "helloagain");
			EXPECT_TRUE(eventually([&] {
				Lines now = lines(trace);

				return has(now, { { "program", "tp_translate_in" },
						  { "length", 5 },
						  { "seq_changed_by", -bytes } }) &&
				       has(now, { { "program", "tp_translate_out" },
						  { "to", from },
						  { "ack_changed_by", bytes } });
			})) << trace.out();
		}
		trace.signal(SIGINT);
		EXPECT_EQ(trace.wait(5s).value_or(-1), 0);
	});
}

TEST_P(Trace, shows_nobody_else)
{
	live([](World &w) {
		Process trace = start(w, w.untrusted);
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		Client refused(w.service, w.untrusted);
		w.connections++;
		EXPECT_TRUE(eventually([&] {
			return has(lines(trace), { { "outcome", "untrusted" } });
		})) << trace.out();
		for (const nlohmann::json &line : lines(trace))
			EXPECT_EQ(line.dump().find(name_of(client.fd()).text()), std::string::npos)
				<< line;
		/* one at a time */
		Finished second = w.agent->command({ "trace", w.proxy });
		EXPECT_EQ(second.code, 1);
		EXPECT_NE(second.err.find("another one runs, for at most"), std::string::npos)
			<< second.err;
		trace.signal(SIGTERM);
		EXPECT_EQ(trace.wait(5s).value_or(-1), 0);
	});
}

TEST_P(Trace, ends_by_itself)
{
	live({ .start_server = false }, [](World &w) {
		{
			Process killed = start(w, w.proxy, { "--seconds", "1" });

			killed.signal(SIGKILL);
		}
		/* then another one may start */
		EXPECT_TRUE(eventually([&] {
			return w.agent->command({ "trace", w.proxy, "--seconds", "1" }).code == 0;
		}));
		Finished wrong = w.agent->command({ "trace", "192.0.2.0/24" });
		EXPECT_EQ(wrong.code, 2);
		EXPECT_NE(wrong.err.find("192.0.2.0/24: not one address"), std::string::npos)
			<< wrong.err;
	});
}

} // namespace live

// SPDX-License-Identifier: BSD-2-Clause
/* A server that does not keep up with accept(): row M36. */
#include "support/live.h"
#include "support/answer.h"
#include "support/thread.h"

namespace live
{

class Backlog : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Backlog, blocking_cases(), case_name);

static constexpr unsigned clients = 10;

/* One client's end of the story. */
struct Visit {
	std::string answer, expected;
	int connect_error = 0;
	End end = End::timeout;

	bool served() const { return answer == expected && end == End::eof; }
	/* what TCP may do to a client that there was no room for */
	bool turned_away() const
	{
		return answer.empty() &&
		       (connect_error || end == End::reset || end == End::timeout);
	}
};

/* All at once; `header` and `origin` by the client's number, from 1. */
template <typename Header, typename Origin>
static std::vector<Visit> visit_all(const Endpoint &to, const std::string &from,
				    const Header &header, const Origin &origin)
{
	std::vector<Visit> visits(clients);
	std::vector<Thread> threads;

	for (unsigned i = 0; i < clients; i++)
		threads.emplace_back([&, i] {
			Client client(to, from, 15s);
			std::string word = "client " + std::to_string(i + 1);
			Visit &visit = visits[i];

			visit.connect_error = client.error();
			visit.expected = answer_to(word, origin(client, i + 1));
			if (client.error() || !client.send(header(i + 1) + word + "\n"))
				return;
			Received received = client.receive_all(15s);
			visit.answer = received.bytes;
			visit.end = received.end;
		});
	for (Thread &thread : threads)
		thread.join();
	return visits;
}

static unsigned count_served(const std::vector<Visit> &visits)
{
	unsigned served = 0;

	for (const Visit &visit : visits) {
		served += visit.served();
		EXPECT_TRUE(visit.served() || visit.turned_away())
			<< "answered: " << visit.answer << "expected: " << visit.expected
			<< "connect: " << visit.connect_error << " end: " << (int)visit.end;
	}
	return served;
}

/*
 * M36: Room for two, ten come, and nobody accepts for a while.  A plain
 * listener in the same state tells what TCP makes of that.
 */
TEST_P(Backlog, full_backlog_is_as_on_plain_tcp)
{
	live({ .start_server = false }, [&](World &w) {
		ListenOptions options;

		options.backlog = 1;
		Endpoint other = endpoint(w.service.host(), 8081);
		AnswerServer server(w.service, options, 700ms), plain(other, options, 700ms);
		std::vector<Visit> there;
		Thread beside([&] {
			there = visit_all(
				other, w.proxy, [](unsigned) { return std::string(); },
				[](const Client &client, unsigned) {
					return name_of(client.fd()).text();
				});
		});
		std::vector<Visit> here = visit_all(
			w.service, w.proxy,
			[&](unsigned i) {
				return w.header(1 + (int)(i % 2), (uint16_t)(5000 + i));
			},
			[&](const Client &, unsigned i) { return w.origin((uint16_t)(5000 + i)); });

		beside.join();
		w.connections += clients;
		EXPECT_EQ(count_served(there), clients) << "plain TCP serves all in the end";
		EXPECT_EQ(count_served(here), clients);
		EXPECT_EQ(server.answered(), clients);
	});
}

/* M36: The same with a full backlog and nobody who ever comes for it: nothing is stuck. */
TEST_P(Backlog, nothing_is_stuck_after_a_listener_closes_with_a_full_backlog)
{
	live({ .start_server = false, .check_totals = false }, [&](World &w) {
		ListenOptions options;
		std::vector<Client> waiting;

		options.backlog = 1;
		{
			Socket listener = listen_on(w.service, options);

			for (unsigned i = 0; i < 3; i++) {
				waiting.emplace_back(w.service, w.proxy, 300ms);
				if (!waiting.back().error())
					waiting.back().send(w.header(2) + "hello\n");
			}
			std::this_thread::sleep_for(300ms);
		}
		for (const Client &client : waiting)
			EXPECT_EQ(client.receive(1, 300ms).bytes, "");
		waiting.clear();
		AnswerServer server(w.service, options);
		for (uint16_t port = 6000; port < 6010; port++) {
			Client client = w.connect();
			auto start = Clock::now();

			ASSERT_TRUE(client.send(w.header(1, port) + "hello\n"));
			EXPECT_EQ(client.receive_all(5s).bytes, answer_to("hello", w.origin(port)));
			EXPECT_LT(since(start), scaled(2s));
		}
	});
}

} // namespace live

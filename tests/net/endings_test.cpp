// SPDX-License-Identifier: BSD-2-Clause
/* When the header, or what should follow it, does not come: rows M8 to M18, M25. */
#include <thread>

#include "support/live.h"

namespace live
{

class Endings : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Endings, all_cases(), case_name);

/* The shortest header timeout that the agent allows. */
static const WorldOptions short_timeout = { .agent = { "--header-timeout", "3" } };

/* M8 */
TEST_P(Endings, header_alone_is_accepted_and_payload_follows_two_seconds_later)
{
	live([&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(2)));
		ASSERT_TRUE(w.server->wait_accepted(1));
		std::this_thread::sleep_for(2s);
		Session idle = w.server->sessions()[0];
		EXPECT_EQ(idle.count, 0u);
		EXPECT_FALSE(idle.eof || idle.done);
		EXPECT_EQ(idle.errors, std::vector<int>());
		EXPECT_EQ(idle.phantoms, 0);
		ASSERT_TRUE(client.send("hello"));
		w.expect_session(0, w.origin(), "hello");
	});
}

/* M9 */
TEST_P(Endings, header_then_fin_reads_as_end_of_file)
{
	live([&](World &w) {
		for (int version : { 1, 2 }) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(w.header(version)));
			client.finish();
			ASSERT_TRUE(w.server->wait_done((size_t)version));
			w.expect_session((size_t)version - 1, w.origin(), "");
			EXPECT_TRUE(w.server->sessions()[(size_t)version - 1].eof);
			EXPECT_EQ(client.receive(1).end, End::eof);
		}
	});
}

/* M9 */
TEST_P(Endings, header_then_fin_before_accept_reads_as_end_of_file)
{
	live({ .start_server = false }, [&](World &w) {
		Socket listener = listen_on(w.service);
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(1)));
		client.finish();
		std::this_thread::sleep_for(300ms);
		Accepted a = accept_from(listener);
		EXPECT_EQ(a.address.text(), w.origin());
		char byte;
		EXPECT_EQ(recv(a.socket.fd(), &byte, 1, 0), 0) << strerror(errno);
	});
}

/* M10 */
TEST_P(Endings, part_of_a_v1_line_then_fin_is_truncated)
{
	live([&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(1).substr(0, 20)));
		client.finish();
		w.expect_refused(client, "truncated");
	});
}

/* M10 */
TEST_P(Endings, part_of_a_v2_header_then_pause_then_fin_is_truncated)
{
	live([&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(2).substr(0, 20)));
		std::this_thread::sleep_for(700ms);
		client.finish();
		w.expect_refused(client, "truncated", 3s);
	});
}

/* M11 */
TEST_P(Endings, nothing_then_fin_never_reaches_the_server)
{
	live([&](World &w) {
		Client client = w.connect();

		client.finish();
		Received answer = client.receive(1);
		EXPECT_EQ(answer.end, End::eof);
		EXPECT_LT(answer.elapsed, scaled(2s));
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_TRUE(w.agent->counts("empty", 1));
	});
}

/* M12, M13, M15, M16 */
TEST_P(Endings, clients_that_hold_on_without_a_header_are_reset_in_time)
{
	live(short_timeout, [&](World &w) {
		std::vector<std::string> starts = { "", w.header(1).substr(0, 25),
						    w.header(2).substr(0, 14),
						    w.header(2).substr(0, 7) };
		std::vector<Client> clients;

		for (const std::string &start : starts) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(start));
		}
		for (const Client &client : clients) {
			EXPECT_EQ(client.receive(1, 8s).end, End::reset);
			EXPECT_GT(client.age(), 2900ms);
			EXPECT_LT(client.age(), 3s + scaled(2s));
		}
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_TRUE(w.agent->counts("timeout", 4));
	});
}

/* M14: Slowly enough that the line takes longer than the timeout, a byte never does. */
TEST_P(Endings, timeout_counts_the_whole_header)
{
	live(short_timeout, [&](World &w) {
		Client client = w.connect();
		std::string line = longest_v1_header();
		size_t sent = 0;

		while (sent < line.size() && client.send(line.substr(sent, 1))) {
			sent++;
			if (polls_readable(client.fd(), 45ms))
				break;
		}
		EXPECT_LT(sent, line.size());
		EXPECT_EQ(client.receive(1, 2s).end, End::reset);
		EXPECT_GT(client.age(), 2900ms);
		EXPECT_LT(client.age(), 3s + scaled(2s));
		EXPECT_EQ(w.server->count(), 0u);
		EXPECT_TRUE(w.agent->counts("timeout", 1));
	});
}

/* M17 */
TEST_P(Endings, a_stalled_client_delays_nobody)
{
	live([&](World &w) {
		Client silent = w.connect(), partial = w.connect();

		ASSERT_TRUE(partial.send(w.header(1).substr(0, 10)));
		std::this_thread::sleep_for(100ms);
		Client good = w.connect();
		ASSERT_TRUE(good.send(w.header(1) + "hello"));
		ASSERT_EQ(w.server->wait_bytes(0, 5).bytes, "hello");
		EXPECT_EQ(w.agent->total(), 1u) << "the others are waiting still";
		w.expect_session(0, w.origin(), "hello");
		EXPECT_EQ(w.server->count(), 1u);
		silent.reset();
		partial.reset();
	});
}

/* M18 */
TEST_P(Endings, server_may_speak_first)
{
	WorldOptions options;

	options.server.banner = "220 ready\r\n";
	live(options, [&](World &w) {
		/* a delay of truepeer's making is in all of them, one of a busy machine is not */
		Ms fastest = 10s;

		for (size_t i = 0; i < 6; i++) {
			Client client = w.connect();

			EXPECT_FALSE(polls_readable(client.fd(), i < 2 ? 500ms : 50ms))
				<< "spoke before the header";
			EXPECT_EQ(w.server->count(), i);
			ASSERT_TRUE(client.send(w.header(1 + (int)(i % 2))));
			Received answer = client.receive(options.server.banner.size());
			EXPECT_EQ(answer.bytes, options.server.banner);
			fastest = std::min(fastest, answer.elapsed);
			ASSERT_TRUE(client.send("EHLO\r\n"));
			w.expect_session(i, w.origin(), "EHLO\r\n");
		}
		EXPECT_LT(fastest, 150ms);
	});
}

/* M25 */
TEST_P(Endings, answer_survives_a_half_close_after_header_and_payload)
{
	WorldOptions options;

	options.server.count_at_end = true;
	live(options, [&](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(1) + std::string(100000, 'x')));
		client.finish();
		Received answer = client.receive_all();
		EXPECT_EQ(answer.bytes, "got 100000 bytes\n");
		EXPECT_EQ(answer.end, End::eof);
		w.expect_session(0, w.origin(), std::string(100000, 'x'));
		EXPECT_TRUE(w.server->sessions()[0].eof);
		EXPECT_EQ(w.server->sessions()[0].late.text(), w.origin());
	});
}

} // namespace live

// SPDX-License-Identifier: BSD-2-Clause
/* What follows the header: rows M19, M23, M24. */

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/thread.h"

namespace live
{

class Payload : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Payload, all_cases(), case_name);

/* A stream that no two places have in common, made as it is sent. */
class Pattern
{
public:
	explicit Pattern(uint64_t seed) : state_(seed) {}

	void fill(std::string &block)
	{
		for (size_t i = 0; i + 8 <= block.size(); i += 8) {
			uint64_t z = state_ += 0x9e3779b97f4a7c15;

			z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
			z = (z ^ z >> 27) * 0x94d049bb133111eb;
			z ^= z >> 31;
			memcpy(&block[i], &z, 8);
		}
	}

private:
	uint64_t state_;
};

/* M19: TP_BULK_MIB makes it as long as one likes; the row asks for 1024. */
TEST_P(Payload, bulk_data_behind_the_header_arrives)
{
	uint64_t size = (uint64_t)number_from_environment("TP_BULK_MIB", 256) << 20;
	WorldOptions options;

	options.server.keep = false;
	options.server.count_at_end = true;
	options.timeout = Ms(30000 + (size >> 20) * 50);
	live(options, [&](World &w) {
		Client client = w.connect();
		std::string block(1 << 18, '\0');
		uint64_t hash = empty_hash;
		Pattern pattern(19);

		ASSERT_TRUE(client.send(w.header(2)));
		for (uint64_t sent = 0; sent < size; sent += block.size()) {
			pattern.fill(block);
			hash = hash_more(hash, block);
			ASSERT_TRUE(client.send(block)) << "after " << sent;
		}
		client.finish();
		EXPECT_EQ(client.receive_all(30s).bytes,
			  "got " + std::to_string(size) + " bytes\n");
		ASSERT_TRUE(w.server->wait_done(1));
		Session session = w.server->sessions()[0];
		EXPECT_EQ(session.count, size);
		EXPECT_EQ(session.hash, hash);
		EXPECT_EQ(session.late.text(), w.origin());
		EXPECT_EQ(session.errors, std::vector<int>());
		EXPECT_EQ(session.phantoms, 0);
	});
}

/* M19 */
TEST_P(Payload, bulk_data_arrives_in_both_directions)
{
	WorldOptions options;

	options.server.echo = true;
	live(options, [&](World &w) {
		Client client = w.connect();
		std::string sent, block(1 << 14, '\0');
		Pattern pattern(20);

		ASSERT_TRUE(client.send(w.header(1)));
		for (int i = 0; i < 256; i++) {
			pattern.fill(block);
			sent += block;
			ASSERT_TRUE(client.send(block));
			ASSERT_EQ(client.receive(block.size()).bytes, block);
		}
		w.expect_session(0, w.origin(), sent);
	});
}

/* M23 */
TEST_P(Payload, every_request_of_a_kept_connection_has_the_same_origin)
{
	WorldOptions options;

	options.server.echo = true;
	live(options, [&](World &w) {
		Client client = w.connect();
		std::string all;

		ASSERT_TRUE(client.send(w.header(1)));
		for (int i = 0; i < 20; i++) {
			std::string request = "request " + std::to_string(i) + "\n";

			all += request;
			ASSERT_TRUE(client.send(request));
			ASSERT_EQ(client.receive(request.size()).bytes, request);
			ASSERT_EQ(w.agent->json({ "connections" }).size(), 1u);
			ASSERT_EQ(w.agent->json({ "connections" })[0]["origin"], w.origin());
		}
		client.finish();
		ASSERT_TRUE(w.server->wait_done(1));
		EXPECT_EQ(w.server->sessions()[0].late.text(), w.origin());
		w.expect_session(0, w.origin(), all);
	});
}

class Churn : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Churn, testing::ValuesIn(cases({ ServerKind::epoll })), case_name);

/* M24: From several addresses: none runs out of ports.  TP_SHORT_CONNECTIONS: the row asks for 100000. */
TEST_P(Churn, short_connections_leave_nothing)
{
	const unsigned clients = 2;
	unsigned each = (unsigned)number_from_environment("TP_SHORT_CONNECTIONS", 20000) / clients;
	WorldOptions options;

	options.timeout = Ms(30000 + each * 4);
	options.server.echo = true;
	live(options, [&](World &w) {
		std::atomic<unsigned> wrong = 0;
		std::vector<Thread> threads;

		for (unsigned t = 0; t < clients; t++)
			threads.emplace_back([&, t] {
				for (unsigned i = 0; i < each; i++) {
					std::string from = w.c.ipv6 ? "fd00::" : "127.0.0.";
					std::string digit(1, "23456789"[i % 8]);
					uint16_t port = (uint16_t)(1 + (i * clients + t) % 65535);
					std::string word = std::to_string(port);
					Client client(w.service, from + digit);

					if (client.error() ||
					    !client.send(w.header(2, port) + word) ||
					    client.receive(word.size()).bytes != word)
						wrong++;
				}
			});
		for (Thread &thread : threads)
			thread.join();
		w.connections += each * clients;
		EXPECT_EQ(wrong, 0u);
		ASSERT_TRUE(w.server->wait_done(each * clients));
		std::vector<Session> sessions = w.server->sessions();
		ASSERT_EQ(sessions.size(), each * clients);
		unsigned misattributed = 0;
		for (const Session &s : sessions)
			misattributed +=
				s.accepted.text() != w.origin((uint16_t)std::stoi(s.bytes)) ||
				s.peer.text() != s.accepted.text();
		EXPECT_EQ(misattributed, 0u);
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_origins") == 0; }));
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_pending") == 0; }))
			<< w.agent->entries("tp_pending");
		char cookie[32];
		snprintf(cookie, sizeof(cookie), "sk:%llx",
			 (unsigned long long)sessions.back().cookie);
		Finished lookup = w.agent->command({ "lookup", cookie });
		EXPECT_EQ(lookup.code, 1);
		EXPECT_NE(lookup.err.find(cookie), std::string::npos) << lookup.err;
	});
}

} // namespace live

// SPDX-License-Identifier: BSD-2-Clause
/*
 * A real interface, and a network that does what networks do: row M35.  Header in pieces, then
 * TP_IMPAIRED_MIB in each direction at the same time, every byte of it checked.  With
 * TP_IMPAIRED_SECONDS, one such connection follows the other for so long.
 */

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/maps.h"
#include "support/answer.h"
#include "support/thread.h"
#include "support/wire.h"

namespace live
{

struct Network {
	const char *name;
	WireOptions options;
	unsigned percent; /* of the usual amount of data */
};

class Impairment : public testing::TestWithParam<std::tuple<Case, Network>>
{
	void SetUp() override
	{
		if (!kernel_has(std::get<Case>(GetParam()).engine))
			GTEST_SKIP() << "the engine needs Linux 6.9";
	}
};

static std::vector<Network> networks()
{
	return {
		{ "super_packets", {}, 100 },
		{ "super_packets_with_gro", { .gro = true }, 25 },
		{ "segments_with_gro_and_checksums",
		  { .super_packets = false, .checksums = true, .gro = true },
		  100 },
		{ "fragments", { .fragment = 552, .super_packets = false }, 25 },
		{ "tiny_fragments", { .fragment = 24, .super_packets = false }, 1 },
		{ "loss", { .loss = 0.05, .super_packets = false }, 25 },
		{ "reordering_and_duplicates",
		  { .duplicates = 0.05, .reordered = 0.05, .super_packets = false },
		  25 },
		{ "loss_and_reordering",
		  { .loss = 0.01, .reordered = 0.01, .super_packets = false },
		  25 },
		{ "everything_at_once",
		  { .loss = 0.02,
		    .duplicates = 0.02,
		    .reordered = 0.02,
		    .fragment = 552,
		    .super_packets = false,
		    .checksums = true },
		  6 },
	};
}

static std::string impairment_name(const testing::TestParamInfo<std::tuple<Case, Network>> &info)
{
	auto [c, network] = info.param;

	return c.engine + (c.ipv6 ? "_ipv6_" : "_ipv4_") + network.name;
}

[[maybe_unused]] static void PrintTo(const Network &network, std::ostream *out)
{
	*out << network.name;
}

INSTANTIATE_TEST_SUITE_P(Live, Impairment,
			 testing::Combine(blocking_cases(), testing::ValuesIn(networks())),
			 impairment_name);

static std::string bulk(size_t size)
{
	std::string bytes(size, '\0');
	uint64_t state = 35;

	for (size_t i = 0; i + 8 <= size; i += 8) {
		state = state * 6364136223846793005 + 1442695040888963407;
		uint64_t word = state ^ state >> 29;
		memcpy(&bytes[i], &word, 8);
	}
	return bytes;
}

/* The impairment a test is named after has taken place. */
static void expect_impaired(const WireOptions &options, const WireCounts &counts)
{
	EXPECT_EQ(counts.super_packets > 0, options.super_packets);
	EXPECT_EQ(counts.fragmented > 0, options.fragment > 0);
	EXPECT_EQ(counts.lost > 0, options.loss > 0);
	EXPECT_EQ(counts.doubled > 0, options.duplicates > 0);
	EXPECT_EQ(counts.held > 0, options.reordered > 0);
}

/* Where bytes differ, and whether they are others of the payload. */
static std::string difference(const std::string &got, const std::string &payload)
{
	size_t size = std::min(got.size(), payload.size()), first = 0, last = size;

	while (first < size && got[first] == payload[first])
		first++;
	while (last > first && got[last - 1] == payload[last - 1])
		last--;
	size_t from = payload.find(got.substr(first, 16));
	return "bytes " + std::to_string(first) + " to " + std::to_string(last) +
	       (from == std::string::npos ? " are no payload" :
					    " are those from " + std::to_string(from) + " on");
}

/* Sends and receives at the same time; what came back. */
static std::string exchange(const Client &client, const std::vector<std::string> &parts,
			    const std::string &payload)
{
	Thread writer([&] {
		client.send(parts);
		client.send(payload);
		client.finish();
	});
	Received received = client.receive_all(40s);

	writer.join();
	EXPECT_EQ(received.end, End::eof);
	return received.bytes;
}

/* M35 */
TEST_P(Impairment, bytes_survive_a_bad_line)
{
	auto [c, network] = GetParam();
	size_t size = (size_t)number_from_environment("TP_IMPAIRED_MIB", 16) << 20;
	std::chrono::seconds time(number_from_environment("TP_IMPAIRED_SECONDS", 0));
	std::string payload = bulk(size * network.percent / 100);

	auto body = [&](Sandbox &box) {
		Wire wire(network.options);
		Endpoint service = endpoint(c.ipv6 ? wire_server_ipv6 : wire_server_ipv4, 8080);
		auto make = c.ipv6 ? v1_header : v2_header;
		std::string origin = c.ipv6 ? "2001:db8::9" : "192.0.2.9";
		std::string destination = c.ipv6 ? "2001:db8::1" : "198.51.100.1";
		ServerOptions options;

		options.kind = ServerKind::blocking;
		options.echo = true;
		options.keep = false;
		Server server(service, options);
		Agent agent(box, { .engine = c.engine,
				   .listen = { service.text() },
				   .trust = { wire_trusted_ipv4, wire_trusted_ipv6 },
				   /* SYN and pieces may each be lost several times */
				   .more = { "--header-timeout", "30" } });
		auto start = Clock::now();
		unsigned n = 0;
		for (; n < 2 || (since(start) < time && !HasFailure()); n++) {
			uint16_t port = (uint16_t)(1001 + n % 60000);
			std::string header = make(origin, port, destination, 443), got;
			/* header in pieces, header and payload in one segment */
			bool together = n % 2;
			std::vector<std::string> parts = cut(header, { 7, 20 });

			if (together)
				parts = { header + payload.substr(0, 4000) };
			const std::string rest = together ? payload.substr(4000) : payload;
			in_netns(wire.client().fd(), [&] {
				Client client(service, "", 30s);

				EXPECT_EQ(client.error(), 0);
				got = exchange(client, parts, rest);
			});
			EXPECT_TRUE(got == payload)
				<< got.size() << " of " << payload.size() << ", "
				<< difference(got, payload)
				<< ", counted: " << nlohmann::json(agent.counters()).dump();
			ASSERT_TRUE(server.wait_done(n + 1));
			Session session = server.sessions()[n];
			EXPECT_EQ(session.accepted.text(), endpoint(origin, port).text());
			EXPECT_EQ(session.peer.text(), session.accepted.text());
			EXPECT_EQ(session.late.text(), session.accepted.text());
			EXPECT_EQ(session.count, payload.size());
			EXPECT_EQ(session.hash, hash_more(empty_hash, payload));
			EXPECT_EQ(session.errors, std::vector<int>());
		}
		const WireCounts &counts = wire.counts();
		expect_impaired(network.options, counts);
		if (time.count())
			printf("%u connections, %zu MiB in each direction; packets: %u lost, %u "
			       "doubled, %u late\n",
			       n, n * payload.size() >> 20, counts.lost.load(),
			       counts.doubled.load(), counts.held.load());
		fflush(stdout); /* the sandbox's process ends without that */
		server.stop();
		EXPECT_TRUE(agent.total() == n) << nlohmann::json(agent.counters()).dump();
		expect_clean_stop(agent);
	};

	in_sandbox(body, 90s + time);
}

/* ---- many headers on a bad line ------------------------------------------------ */

class BadLine : public testing::TestWithParam<Case>
{
	void SetUp() override
	{
		if (!kernel_has(GetParam().engine))
			GTEST_SKIP() << "the engine needs Linux 6.9";
	}
};
INSTANTIATE_TEST_SUITE_P(Live, BadLine, blocking_cases(), case_name);

/* M35: Here it is the handshakes and the headers, one by one, that get lost and mixed up. */
TEST_P(BadLine, headers_survive_loss_and_reordering)
{
	auto body = [&](Sandbox &box) {
		const unsigned clients = 30;
		bool ipv6 = GetParam().ipv6;
		Wire wire({ .loss = 0.05,
			    .duplicates = 0.1,
			    .reordered = 0.1,
			    .super_packets = false });
		Endpoint service = endpoint(ipv6 ? wire_server_ipv6 : wire_server_ipv4, 8080);
		AnswerServer server(service);
		Agent agent(box, { .engine = GetParam().engine,
				   .listen = { service.text() },
				   .trust = { wire_trusted_ipv4, wire_trusted_ipv6 },
				   .more = { "--header-timeout", "30" } });
		std::vector<std::string> answers(clients);
		auto visit = [&](uint16_t port) {
			auto make = port % 2 ? v1_header : v2_header;
			std::string line = "client " + std::to_string(port) + "\n";
			std::string header = ipv6 ? make("2001:db8::9", port, "2001:db8::1", 80) :
						    make("192.0.2.9", port, "198.51.100.1", 80);
			Client client(service, "", 30s);

			client.send(cut(header + line, { 4u + port % 30, 36 }), 5ms);
			answers[port - 1u] = client.receive_all(30s).bytes;
		};
		std::vector<Thread> threads;
		for (uint16_t port = 1; port <= clients; port++)
			threads.emplace_back(
				[&, port] { in_netns(wire.client().fd(), [&] { visit(port); }); });
		for (Thread &thread : threads)
			thread.join();
		for (unsigned i = 1; i <= clients; i++)
			EXPECT_EQ(
				answers[i - 1],
				answer_to("client " + std::to_string(i),
					  endpoint(ipv6 ? "2001:db8::9" : "192.0.2.9", (uint16_t)i)
						  .text()));
		EXPECT_EQ(server.answered(), clients);
		EXPECT_EQ(agent.total(), clients) << nlohmann::json(agent.counters()).dump();
		expect_empty_maps(agent, 20s);
		expect_clean_stop(agent);
	};

	in_sandbox(body, 90s);
}

/*
 * What comes in fragments while the header is outstanding goes by the agent; what comes behind that,
 * while another CPU makes the socket, is for a socket that is not established yet.
 */
TEST_P(BadLine, fragments_are_served_while_sockets_are_made)
{
	auto body = [&](Sandbox &box) {
		const uint16_t clients = 60;
		bool ipv6 = GetParam().ipv6;
		Wire wire({ .fragment = 552, .super_packets = false, .checksums = true });
		Endpoint service = endpoint(ipv6 ? wire_server_ipv6 : wire_server_ipv4, 8080);
		ServerOptions options;
		std::string payload = bulk(14000);

		options.kind = ServerKind::blocking;
		options.echo = true;
		options.keep = false;
		Server server(service, options);
		Agent agent(box, { .engine = GetParam().engine,
				   .listen = { service.text() },
				   .trust = { wire_trusted_ipv4, wire_trusted_ipv6 } });
		auto make = ipv6 ? v1_header : v2_header;
		for (uint16_t port = 1; port <= clients; port++) {
			std::string header = ipv6 ? make("2001:db8::9", port, "2001:db8::1", 80) :
						    make("192.0.2.9", port, "198.51.100.1", 80);
			std::string got;

			in_netns(wire.client().fd(), [&] {
				Client client(service, "", 30s);

				got = exchange(client, { header + payload.substr(0, 9000) },
					       payload.substr(9000));
			});
			ASSERT_TRUE(got == payload) << "connection " << port << ": " << got.size()
						    << " bytes, " << difference(got, payload);
		}
		EXPECT_GT(wire.counts().fragmented, 0u);
		server.stop();
		EXPECT_EQ(agent.total(), clients) << nlohmann::json(agent.counters()).dump();
		expect_clean_stop(agent);
	};

	in_sandbox(body, 90s);
}

} // namespace live

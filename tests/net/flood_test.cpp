// SPDX-License-Identifier: BSD-2-Clause
/*
 * As much of what nobody should send as one thread can send, with good connections in
 * between: they are served, under their own names, and nothing of the rest stays or gets
 * through.
 */
#include <bpf/bpf.h>

#include <random>
#include <thread>

#include <nlohmann/json.hpp>

#include "bpf/abi.h"
#include "support/live.h"
#include "support/raw_world.h"
#include "support/thread.h"

namespace live
{

class Flood : public testing::TestWithParam<std::tuple<std::string, bool>>
{
protected:
	/* `make` fills in the next segment; for a second and a half. */
	void flood(const std::function<void(RawWorld &, Segment &, std::mt19937 &)> &make);
};

static void expect_good_connection(RawWorld &w, size_t index)
{
	RawClient client(w.wire, w.service);
	uint16_t port = (uint16_t)(5000 + index);

	/* the wire's queue is full of the rest, too: any client would send again */
	for (int i = 0; i < 20 && w.server->count() <= index; i++) {
		if (!client.expected() && !client.open())
			continue;
		client.send(client.piece(0, w.header(2, port) + "hello"));
		w.server->wait_accepted(index + 1, 250ms);
	}
	w.expect_session(index, w.origin(port), "hello");
}

void Flood::flood(const std::function<void(RawWorld &, Segment &, std::mt19937 &)> &make)
{
	const auto &[engine, ipv6] = GetParam();

	if (engine == "handshake" && !kernel_has(engine))
		GTEST_SKIP() << "the engine needs Linux 6.9";
	in_sandbox(
		[&](Sandbox &box) {
			RawWorld w(box, ipv6, { .engine = engine });
			std::mt19937 random(7);
			size_t sent = 0, good = 0;
			Clock::time_point start = Clock::now();
			size_t sockets = w.sockets();

			while (since(start) < 1500ms) {
				for (int i = 0; i < 3000; i++, sent++) {
					Segment s;

					s.source = w.wire.client(ipv6, 10 + random() % 100);
					s.destination = w.service.host();
					s.source_port = (uint16_t)(1024 + random() % 60000);
					s.destination_port = w.service.port();
					s.seq = (uint32_t)random();
					s.ack = (uint32_t)random();
					make(w, s, random);
					w.wire.send(s);
				}
				w.wire.forget([](const Segment &) { return true; });
				expect_good_connection(w, good++);
			}
			std::printf("%zu segments, %zu good connections\n", sent, good);
			EXPECT_EQ(w.server->count(), good) << "something else got through";
			if (engine == "handshake") {
				EXPECT_LE(w.sockets(), sockets + 2 * good);
			}
			Counters counters = w.agent->counters();
			EXPECT_EQ(counters["accepted_v2_proxy"], good);
			EXPECT_EQ(counters["internal"], 0u);
			/* what waits is bounded, and what it lets go is counted */
			size_t spare = 128 * (size_t)(sysconf(_SC_NPROCESSORS_CONF) + 1);
			EXPECT_LE(w.agent->entries("tp_pending"), 16384u + spare);
			EXPECT_TRUE(eventually(
				[&] {
					Counters now = w.agent->counters();
					uint64_t known =
						w.agent->total() + w.agent->entries("tp_pending");

					return now["connections_begun"] <= known;
				},
				10s))
				<< nlohmann::json(w.agent->counters()).dump();
			w.server->stop();
			EXPECT_EQ(w.agent->stop(), 0) << w.agent->process().err();
		},
		90s);
}

INSTANTIATE_TEST_SUITE_P(
	Live, Flood, testing::Values(std::tuple("handshake", true), std::tuple("translate", false)),
	[](const auto &row) {
		return std::get<0>(row.param) + (std::get<1>(row.param) ? "_ipv6" : "_ipv4");
	});

TEST_P(Flood, handshakes_that_are_only_begun_stop_nobody)
{
	flood([](RawWorld &, Segment &s, std::mt19937 &) {
		s.flags = flag::syn;
		s.ack = 0;
		s.options = option::mss(1460) + option::sack_permitted();
	});
}

TEST_P(Flood, acknowledgements_of_nothing_stop_nobody)
{
	flood([](RawWorld &, Segment &s, std::mt19937 &) { s.flags = flag::ack; });
}

/* Headers without a handshake, with every combination of flags. */
TEST_P(Flood, headers_with_any_flags_stop_nobody)
{
	flood([](RawWorld &w, Segment &s, std::mt19937 &random) {
		s.flags = (uint16_t)(random() & 0xff);
		s.urgent = (uint16_t)(random() & 0xff);
		s.payload = w.header(1 + (int)(random() & 1)) + "evil";
	});
}

/* Windows of nothing, and data that never ends a header. */
TEST_P(Flood, data_in_pieces_of_one_byte_stops_nobody)
{
	flood([](RawWorld &, Segment &s, std::mt19937 &random) {
		s.flags = flag::ack | flag::psh;
		s.window = 0;
		s.payload = std::string(1, "PROXY\r"[random() % 6]);
	});
}

/* How long the agent has given no sign of life: while it does, it puts headers together. */
static uint64_t silent_ns(int config_map)
{
	tp_config_entry config = {};
	uint32_t zero = 0;
	timespec now;

	if (bpf_map_lookup_elem(config_map, &zero, &config))
		return UINT64_MAX;
	clock_gettime(CLOCK_BOOTTIME, &now);
	uint64_t now_ns = (uint64_t)now.tv_sec * 1'000'000'000 + (uint64_t)now.tv_nsec;
	return now_ns > config.alive_ns ? now_ns - config.alive_ns : 0;
}

/* Each refusal is work for the agent: the rest of its work must not wait for the last one. */
TEST(FloodOfRefusals, agent_keeps_its_time)
{
	in_sandbox(
		[](Sandbox &box) {
			RawWorld w(box, false, { .engine = "translate" });
			int config = bpf_obj_get((w.agent->pin_dir() + "/tp_config").c_str());
			uint64_t longest = 0;

			ASSERT_GE(config, 0);
			Thread sender([&](std::stop_token stop) {
				std::mt19937 random(7);

				for (unsigned sent = 1; !stop.stop_requested(); sent++) {
					Segment s;

					s.source = w.wire.stranger(false);
					s.destination = w.service.host();
					s.source_port = (uint16_t)(1024 + random() % 60000);
					s.destination_port = w.service.port();
					s.flags = flag::syn;
					s.seq = (uint32_t)random();
					w.wire.send(s);
					if (sent % 256 == 0)
						w.wire.forget([](const Segment &) { return true; });
				}
			});
			for (auto start = Clock::now(); since(start) < 3s;
			     std::this_thread::sleep_for(10ms))
				longest = std::max(longest, silent_ns(config));
			sender.stop();
			/* less than half of what makes the gate take it for dead */
			EXPECT_LT(longest, TP_ALIVE_TIMEOUT_NS * 2 / 5);
			EXPECT_GT(w.agent->counters()["untrusted"], 10000u);
			close(config);
		},
		30s);
}

} // namespace live

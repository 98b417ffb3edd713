// SPDX-License-Identifier: BSD-2-Clause
/*
 * The translate engine: what comes after a connection has ended, or after its socket is there; and
 * what the agent has to make good that was not told it at once.
 */
#include <nlohmann/json.hpp>

#include <bpf/bpf.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "bpf/abi.h"
#include "support/maps.h"
#include "support/translate.h"

namespace live
{

class TranslateLate : public Translate
{
protected:
	static Socket pinned(const RawWorld &w, const std::string &map)
	{
		Socket fd(bpf_obj_get((w.agent->pin_dir() + "/" + map).c_str()));

		if (!fd)
			give_up("open map: " + map);
		return fd;
	}

	/*
	 * A connection that its client resets: TCP has forgotten it, and its translation stays for as long as
	 * anything may still be said for it.
	 */
	static void serve_and_reset(RawWorld &w, uint16_t port, size_t session)
	{
		RawClient client(w.wire, w.service, { .port = port, .isn = 1000 });

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "hello");
		w.expect_session(session, w.origin(), "hello");
		client.send(client.segment(flag::rst | flag::ack));
		EXPECT_TRUE(w.server->wait_done(session + 1)) << w.wire.log();
		EXPECT_EQ(w.agent->entries("tp_translations"), session + 1);
		client.forget();
	}
};
TP_INSTANTIATE_RAW(TranslateLate);

/* ---- another connection's answers ------------------------------------------------------- */

/* A SYN is answered in its own numbers, whatever was translated on its ports before. */
TEST_P(TranslateLate, resets_of_syns_have_the_numbers_of_no_earlier_connection)
{
	translated([](RawWorld &w) {
		auto answer = [&](uint16_t port) {
			RawClient next(w.wire, w.service, { .port = port, .isn = 2000000 });

			next.send(next.syn_segment());
			auto reset = next.expect_reset();
			ASSERT_TRUE(reset) << w.wire.log();
			EXPECT_EQ(reset->ack, next.isn() + 1) << w.wire.log();
		};

		serve_and_reset(w, 34000, 0);
		serve_and_reset(w, 34001, 1);
		/* the agent answers whom a policy refuses, TCP where there is no listener */
		std::string clients = w.wire.clients(w.ipv6);
		Finished done = w.agent->command({ "policy", "set", clients, "reject" });
		ASSERT_EQ(done.code, 0) << done.err;
		answer(34000);
		done = w.agent->command({ "policy", "set", clients, "require" });
		ASSERT_EQ(done.code, 0) << done.err;
		w.server->stop();
		answer(34001);
	});
}

/*
 * TCP may send a SYN-ACK once more while the client's acknowledgement makes the socket on another CPU. Here the
 * answer to the SYN's copy is held up behind TCP, by an interface that is slow.
 */
TEST_P(TranslateLate, synack_behind_the_socket_leaves_the_connection_alone)
{
	RawOptions options = { .start_agent = false };

	translated(options, [](RawWorld &w) {
		std::string device = w.wire.interface(), upper = " dev upper";
		std::string commands =
			"addr flush dev " + device + "\nroute del " + w.wire.clients(true) +
			"\nlink add link " + device +
			" name upper type macvlan mode passthru\nlink set upper up\n";

		for (bool v6 : { false, true })
			commands += "addr add " + w.wire.server(v6) + (v6 ? "/64 nodad" : "/24") +
				    upper + "\nneigh add " + w.wire.gateway(v6) +
				    " lladdr 02:00:00:00:00:02 nud permanent" + upper +
				    "\nroute add " + w.wire.clients(v6) + " via " +
				    w.wire.gateway(v6) + upper + "\n";
		ip_batch(commands);
		w.start_agent("translate", { "--interface", device });
		/* a byte in a millisecond, and room for one SYN-ACK at once */
		Finished slow = run({ "tc", "qdisc", "add", "dev", "upper", "root", "tbf", "rate",
				      "8kbit", "burst", "100", "latency", "10s" });
		ASSERT_EQ(slow.code, 0) << slow.err;
		RawClient client(w.wire, w.service);
		ASSERT_TRUE(client.syn()) << w.wire.log();
		client.send(client.syn_segment());
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		auto again = client.expect([](const Segment &s) { return s.has(flag::syn); });
		ASSERT_TRUE(again) << w.wire.log();
		EXPECT_EQ(again->seq, client.server_isn());
		client.data(" again");
		w.expect_session(0, w.origin(), "hello again");
		w.expect_only("accepted_v2_proxy", 1);
		EXPECT_EQ(w.agent->counters()["connections_begun"], 1u);
	});
}

/* ---- while a successor is about to start -------------------------------------------------- */

/* Nobody judges then what a waiting client sends: TCP gets none of it. */
TEST_P(TranslateLate, nothing_passes_unjudged_while_connections_are_held)
{
	translated([](RawWorld &w) {
		Socket map = pinned(w, "tp_config");
		uint32_t zero = 0;
		tp_config_entry config = {};
		auto set = [&](uint32_t how) {
			ASSERT_EQ(bpf_map_lookup_elem(map.fd(), &zero, &config), 0);
			config.draining = how;
			ASSERT_EQ(bpf_map_update_elem(map.fd(), &zero, &config, BPF_ANY), 0);
		};
		RawClient client(w.wire, w.service);
		std::string stream = w.header(2) + "hello";

		ASSERT_TRUE(client.open()) << w.wire.log();
		w.agent->process().signal(SIGSTOP); /* it would set that back */
		set(TP_DRAINING_HOLD);
		client.send(client.piece(0, stream));
		client.send(client.segment(flag::ack | flag::fin));
		EXPECT_FALSE(w.server->wait_accepted(1, 50ms)) << w.wire.log();
		EXPECT_EQ(w.sockets(), 2u) << "the listener, and TCP's request";
		set(TP_DRAINING_NOT);
		w.agent->process().signal(SIGCONT);
		client.data(stream);
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

/* ---- what was lost on its way to the agent -------------------------------------------------- */

/* A connection is refused that has its socket already, and there is no room for the request to destroy that. */
TEST_P(TranslateLate, refused_socket_ends_although_the_agent_was_not_told)
{
	RawOptions options = { .agent = { "--max-connections", "64", "--max-pending", "64" } };

	translated(options, [](RawWorld &w) {
		Socket map = pinned(w, "tp_translations");
		tp_translation live = {};
		tp_flow flow = {};

		w.agent->process().signal(SIGSTOP);
		for (uint32_t i = 0;; i++) { /* no room: the connection cannot be served */
			memcpy(flow.remote, &i, sizeof(i));
			if (bpf_map_update_elem(map.fd(), &flow, &live, BPF_ANY))
				break;
		}
		RawClient stranger(w.wire, w.service, { .host = w.wire.stranger(w.ipv6) });
		for (int i = 0; i < 13200; i++) /* 13,107 requests fill the ring buffer */
			stranger.send(stranger.syn_segment());
		uint64_t lost = w.agent->counters()["actions_lost"];
		EXPECT_GT(lost, 0u);
		RawClient client(w.wire, w.service);
		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "hello");
		EXPECT_TRUE(w.agent->counts("map_full", 1));
		EXPECT_EQ(w.agent->counters()["actions_lost"], lost + 1);
		EXPECT_EQ(w.agent->entries("tp_origins"), 1u);
		clear_map(*w.agent, "tp_translations");
		w.agent->process().signal(SIGCONT);
		EXPECT_TRUE(client.expect_reset(5s));
		EXPECT_TRUE(w.server->wait_done(1));
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_origins") == 0; }));
		w.expect_served("translate");
	});
}

/* ---- checksums -------------------------------------------------------------------------------- */

/* As they come over an interface for which nobody has checked or computed anything. */
TEST_P(TranslateLate, first_segments_of_any_length_whose_checksum_nobody_has_verified)
{
	RawOptions options = { .start_agent = false };

	translated(options, [](RawWorld &w) {
		w.wire.set_mtu(65535);
		w.start_agent("translate");
		std::string header = w.header(2);
		size_t session = 0;

		for (size_t size : { 16384 - 20, 16384, 40000, 60000 }) {
			std::string payload(size - header.size(), 'x');
			RawClient client(w.wire, w.service);

			payload.back() = 'y';
			ASSERT_TRUE(client.open({ .mss = 65000 })) << w.wire.log();
			Segment corrupt = client.piece(0, header + payload);
			corrupt.bad_checksum = true;
			client.send(corrupt);
			EXPECT_TRUE(client.silent(50ms)) << size << w.wire.log();
			client.data(header + payload);
			ASSERT_TRUE(client.expect_ack(client.next())) << size << w.wire.log();
			w.expect_session(session++, w.origin(), payload);
		}
		w.expect_only("accepted_v2_proxy", session);
	});
}

} // namespace live

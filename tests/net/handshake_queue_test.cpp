// SPDX-License-Identifier: BSD-2-Clause
/* The handshake engine and a listener whose accept queue is full. */
#include <bpf/bpf.h>

#include <deque>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/raw_world.h"

namespace live
{

class HandshakeQueue : public Raw
{
};
TP_INSTANTIATE_RAW(HandshakeQueue);

/* Connections until a SYN stays without an answer. */
static std::deque<RawClient> fill(RawWorld &w, const Endpoint &server, const std::string &bytes)
{
	std::deque<RawClient> clients;

	for (int i = 0; i < 16; i++) {
		RawClient &client = clients.emplace_back(w.wire, server);

		if (!client.syn(client.syn_segment(), 300ms)) {
			clients.pop_back();
			break;
		}
		client.ack();
		client.data(bytes);
		if (!client.expect_ack(client.next(), 1s))
			break;
	}
	return clients;
}

TEST_P(HandshakeQueue, full_queue_stops_the_handshake_as_on_a_plain_port)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		Socket plain = listen_on(w.plain, { .backlog = 2 });
		Socket listener = listen_on(w.service, { .backlog = 2 });
		std::string bytes = w.header(1) + "hello";
		std::deque<RawClient> expected = fill(w, w.plain, bytes);
		std::deque<RawClient> clients = fill(w, w.service, bytes);

		EXPECT_EQ(expected.size(), 3u); /* one more than the backlog: Linux's rule */
		EXPECT_EQ(clients.size(), expected.size());
		/* SYN, kept back; once there is room the same SYN, sent again, is served */
		RawClient late(w.wire, w.service);
		Segment syn = late.syn_segment();
		EXPECT_FALSE(late.syn(syn, 200ms));
		std::vector<Accepted> accepted;
		for (size_t i = 0; i < clients.size(); i++) {
			ASSERT_TRUE(polls_readable(listener.fd(), scaled(1s)));
			accepted.push_back(accept_from(listener));
			EXPECT_EQ(accepted.back().address.text(), w.origin());
			EXPECT_EQ(receive_exactly(accepted.back().socket.fd(), 5), "hello");
		}
		ASSERT_TRUE(late.syn(syn)) << w.wire.log();
		late.data(w.header(1, 777) + "late");
		ASSERT_TRUE(polls_readable(listener.fd(), scaled(2s))) << w.wire.log();
		Accepted a = accept_from(listener);
		EXPECT_EQ(a.address.text(), w.origin(777));
		EXPECT_EQ(receive_exactly(a.socket.fd(), 4), "late");
		EXPECT_FALSE(polls_readable(listener.fd(), 50ms));
	});
}

/* The header is decided, the socket still to come; the client gives up: nothing stays of it. */
TEST_P(HandshakeQueue, reset_while_the_queue_is_full_leaves_nothing)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		Socket listener = listen_on(w.service, { .backlog = 1 });
		std::deque<RawClient> clients;
		V2 with_tlv;

		with_tlv.source = w.origin_host;
		with_tlv.source_port = 4242;
		with_tlv.destination = w.destination_host;
		with_tlv.tlvs = { { 0xe0, "kept" } };
		for (int i = 0; i < 6; i++)
			ASSERT_TRUE(clients.emplace_back(w.wire, w.service).open()) << w.wire.log();
		for (RawClient &client : clients)
			client.data(with_tlv.bytes() + "hello");
		ASSERT_TRUE(eventually([&] { return w.agent->entries("tp_headers") == 6; }));
		EXPECT_EQ(w.agent->entries("tp_pending"), 4u); /* without a socket */
		for (RawClient &client : clients) {
			Segment reset = client.segment(flag::rst);

			client.send(reset); /* all there is to it where there is a socket */
			if (&client < &clients[2])
				continue;
			/* RFC 5961: not where the next byte is due, and a question back */
			auto asked = client.expect_ack(client.next() - 5);
			ASSERT_TRUE(asked) << w.wire.log();
			reset.seq = asked->ack;
			client.send(reset);
		}
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_pending") == 0; }));
		/* the agent's sweep comes much later */
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_headers") == 0; }, 2s))
			<< w.agent->entries("tp_headers");
	});
}

static uint64_t program_runs(const Agent &agent)
{
	uint64_t sum = 0;

	for (uint32_t id : agent.ids().programs) {
		int fd = bpf_prog_get_fd_by_id(id);
		bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size))
			sum += info.run_cnt;
		close(fd);
	}
	return sum;
}

/* The queue fills between SYN and header: no child, and no packet may go in circles. */
TEST_P(HandshakeQueue, that_fills_before_the_header_sends_no_packet_in_circles)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		Socket listener = listen_on(w.service, { .backlog = 1 });
		std::deque<RawClient> clients;
		int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);

		ASSERT_GE(stats, 0);
		for (int i = 0; i < 6; i++)
			ASSERT_TRUE(clients.emplace_back(w.wire, w.service).open()) << w.wire.log();
		for (int form = 0; form < 2; form++) {
			uint64_t before = program_runs(*w.agent);

			for (RawClient &client : clients) {
				/* small and large: there is a form of the hand-over for each */
				std::string payload(form ? 1300 : 5, 'x');

				client.send(client.piece(0, w.header(1, client.port()) + payload));
			}
			std::this_thread::sleep_for(250ms);
			uint64_t runs = program_runs(*w.agent) - before;
			EXPECT_GT(runs, clients.size()); /* they are counted at all */
			EXPECT_LT(runs, 1000u);
		}
		close(stats);
		/* whoever sends again, as TCP does until it is acknowledged, is served once */
		std::set<std::string> seen, expected;
		std::vector<Accepted> accepted;
		for (int round = 0; round < 10 && accepted.size() <= clients.size(); round++) {
			while (polls_readable(listener.fd(), 20ms))
				accepted.push_back(accept_from(listener));
			for (RawClient &client : clients)
				client.send(client.piece(0, w.header(1, client.port()) + "xxxxx"));
		}
		for (const RawClient &client : clients)
			expected.insert(w.origin(client.port()));
		for (const Accepted &a : accepted) {
			EXPECT_TRUE(seen.insert(a.address.text()).second);
			set_timeout(a.socket.fd(), 500ms);
			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "xxxxx");
		}
		EXPECT_EQ(seen, expected) << w.wire.log();
		EXPECT_FALSE(polls_readable(listener.fd(), 100ms)) << "one connection too many";
		EXPECT_TRUE(w.agent->counts("accepted_v1_proxy", clients.size()))
			<< nlohmann::json(w.agent->counters()).dump();
	});
}

/*
 * A client that waits for the server to speak sends no more than the header, and that
 * no more once it is acknowledged.  It must be served when there is room.
 */
TEST_P(HandshakeQueue, header_alone_while_the_queue_is_full_is_served_when_there_is_room)
{
	raw({ .start_servers = false }, [](RawWorld &w) {
		Socket listener = listen_on(w.service, { .backlog = 1 });
		RawClient patient(w.wire, w.service);
		bool acknowledged = false;

		ASSERT_TRUE(patient.open()) << w.wire.log();
		std::deque<RawClient> others = fill(w, w.service, w.header(1) + "hello");
		EXPECT_EQ(others.size(), 2u);
		auto send_again = [&] {
			if (!acknowledged)
				patient.send(patient.piece(0, w.header(2, 777)));
			acknowledged |= patient.expect_ack(patient.next() + 1, 100ms).has_value();
			/* what a client answers to a SYN-ACK that comes once more */
			if (patient.expect([](const Segment &s) { return s.has(flag::syn); }, 0ms))
				patient.ack();
		};
		for (int i = 0; i < 3; i++)
			send_again();
		std::vector<std::string> names;
		for (int i = 0; i < 30 && names.size() < 3; i++) {
			while (polls_readable(listener.fd()))
				names.push_back(accept_from(listener).address.text());
			send_again();
		}
		EXPECT_EQ(names,
			  (std::vector<std::string>{ w.origin(), w.origin(), w.origin(777) }))
			<< (acknowledged ? "acknowledged" : "not acknowledged") << w.wire.log();
	});
}

} // namespace live

// SPDX-License-Identifier: BSD-2-Clause
/*
 * The translate engine, segment by segment: on the wire the numbers are those of a server that
 * reads the header itself.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <signal.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <thread>

#include "support_raw_world.h"

namespace live
{

class Translate : public Raw
{
protected:
	void SetUp() override {} /* every kernel has it */

	void translated(RawOptions options, const std::function<void(RawWorld &)> &body)
	{
		options.engine = "translate";
		raw(options, body);
	}
	void translated(const std::function<void(RawWorld &)> &body) { translated({}, body); }
};
TP_INSTANTIATE_RAW(Translate);

/* Of the SACK blocks, in their order. */
static std::vector<uint32_t> sack_edges(const Segment &s)
{
	std::vector<uint32_t> edges;
	auto blocks = s.option(5);

	for (size_t i = 0; blocks && i + 4 <= blocks->size(); i += 4) {
		uint32_t edge = 0;

		for (size_t j = 0; j < 4; j++)
			edge = edge << 8 | (uint8_t)(*blocks)[i + j];
		edges.push_back(edge);
	}
	return edges;
}

/* ---- the header ----------------------------------------------------------------------- */

TEST_P(Translate, acknowledges_header_and_payload)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		EXPECT_TRUE(client.silent()) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u) << "before the header";
		client.data(w.header(2) + "hello");
		auto ack = client.expect_ack(client.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, client.next());
		EXPECT_EQ(ack->seq, client.expected());
		EXPECT_EQ(sack_edges(*ack).size(), 0u) << w.wire.log();
		w.expect_session(0, w.origin(), "hello");
		/* the header again, because the answer was lost: now it is a duplicate */
		client.forget();
		client.send(client.piece(0, w.header(2)));
		auto again = client.expect_ack(client.next());
		ASSERT_TRUE(again) << w.wire.log();
		std::vector<uint32_t> edges = sack_edges(*again);
		ASSERT_EQ(edges.size(), 2u) << w.wire.log();
		EXPECT_EQ(edges[0], client.isn() + 1);
		EXPECT_EQ(edges[1], client.isn() + 1 + w.header(2).size());
		client.data("more");
		ack = client.expect_ack(client.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, client.next());
		w.expect_session(0, w.origin(), "hellomore");
		EXPECT_EQ(w.engine_of(client), "translate");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

TEST_P(Translate, acknowledges_every_piece_of_the_header)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (char c : w.header(1)) {
			client.data(std::string(1, c));
			auto ack = client.expect_ack(client.next());
			ASSERT_TRUE(ack) << w.wire.log();
			EXPECT_EQ(ack->ack, client.next());
		}
		client.data("hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v1_proxy", 1);
	});
}

/* The same without anybody in user space. */
TEST_P(Translate, acknowledges_pieces_without_an_agent)
{
	translated([](RawWorld &w) {
		w.agent->process().signal(SIGKILL);
		w.agent->process().wait(2s);
		RawClient client(w.wire, w.service);
		std::string header = w.header(2);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (size_t at = 0; at < header.size(); at += 7) {
			client.data(header.substr(at, 7));
			ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		}
		client.data("hello");
		w.expect_session(0, w.origin(), "hello");
		w.start_agent("translate");
	});
}

/* Killed, and another one: live connections and half a header go on. */
TEST_P(Translate, connections_go_on_with_the_next_agent)
{
	translated([](RawWorld &w) {
		RawClient live(w.wire, w.service), waiting(w.wire, w.service);
		std::string header = w.header(1);

		ASSERT_TRUE(live.open()) << w.wire.log();
		live.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		ASSERT_TRUE(waiting.open()) << w.wire.log();
		waiting.data(header.substr(0, 10));
		ASSERT_TRUE(waiting.expect_ack(waiting.next())) << w.wire.log();
		w.agent->process().signal(SIGKILL);
		w.agent->process().wait(2s);
		w.start_agent("translate");
		live.data(" again");
		ASSERT_TRUE(live.expect_ack(live.next())) << w.wire.log();
		w.expect_session(0, w.origin(), "hello again");
		waiting.data(header.substr(10) + "hello");
		w.expect_session(1, w.origin(), "hello");
		auto ack = waiting.expect_ack(waiting.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, waiting.next());
		live.finish();
		waiting.finish();
		ASSERT_TRUE(w.server->wait_done(2));
	});
}

TEST_P(Translate, takes_pieces_again_late_and_twice)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		std::string header = w.header(2), all = header + "hello";

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.send(client.piece(0, all.substr(0, 10)));
		ASSERT_TRUE(client.expect_ack(client.isn() + 11)) << w.wire.log();
		client.send(client.piece(15, all.substr(15, 8))); /* a gap */
		auto again = client.expect_ack(client.isn() + 1);
		ASSERT_TRUE(again) << w.wire.log();
		EXPECT_EQ(again->ack, client.isn() + 11) << "what is missing";
		client.send(client.piece(0, all.substr(0, 10))); /* old */
		again = client.expect_ack(client.isn() + 1);
		ASSERT_TRUE(again) << w.wire.log();
		EXPECT_EQ(again->ack, client.isn() + 11);
		client.send(client.piece(5, all.substr(5, 12))); /* old and new */
		ASSERT_TRUE(client.expect_ack(client.isn() + 18)) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u);
		client.send(client.piece(0, all)); /* everything */
		ASSERT_TRUE(client.expect_ack(client.isn() + 1 + (uint32_t)all.size()))
			<< w.wire.log();
		client.send(client.piece(0, all));
		ASSERT_TRUE(client.expect_ack(client.isn() + 1 + (uint32_t)all.size()))
			<< w.wire.log();
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

TEST_P(Translate, lets_a_server_speak_first_behind_a_header_alone)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2));
		auto ack = client.expect_ack(client.next());
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(sack_edges(*ack).size(), 0u) << w.wire.log();
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		Accepted a = accept_from(listener);

		EXPECT_EQ(a.address.text(), w.origin());
		ASSERT_EQ(send(a.socket.fd(), "banner", 6, 0), 6);
		EXPECT_EQ(client.receive(6), "banner") << w.wire.log();
	});
}

/* ---- forged ---------------------------------------------------------------------------- */

/* Who has not seen the SYN-ACK cannot know this host's number. */
TEST_P(Translate, takes_no_piece_with_another_acknowledgement)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		for (uint32_t off : { 1u, 1000u, 0x80000000u, 0xffffffffu }) {
			Segment forged =
				client.segment(flag::ack | flag::psh, w.header(2, 666) + "evil");

			forged.ack += off;
			client.send(forged);
			forged.payload.resize(5);
			client.send(forged);
		}
		EXPECT_TRUE(client.silent()) << w.wire.log();
		EXPECT_EQ(w.server->count(), 0u);
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

TEST_P(Translate, takes_no_corrupt_header)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		Segment bad = client.segment(flag::ack | flag::psh, w.header(2, 666) + "evil");
		bad.bad_checksum = true;
		client.send(bad);
		EXPECT_TRUE(client.silent()) << w.wire.log();
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		w.expect_only("accepted_v2_proxy", 1);
	});
}

/* ---- SACK -------------------------------------------------------------------------------- */

TEST_P(Translate, reports_what_is_missing_in_the_clients_numbers)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(1) + "hello");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		client.forget();
		uint32_t base = client.next();
		for (uint32_t at : { 10u, 30u, 50u }) {
			Segment s = client.segment(flag::ack, std::string(5, 'x'));

			s.seq = base + at;
			client.send(s);
			auto ack = client.expect_ack(base);
			ASSERT_TRUE(ack) << w.wire.log();
			EXPECT_EQ(ack->ack, base);
			std::vector<uint32_t> edges = sack_edges(*ack);
			ASSERT_GE(edges.size(), 2u) << w.wire.log();
			EXPECT_EQ(edges[0], base + at);
			EXPECT_EQ(edges[1], base + at + 5);
		}
		/* what has been there already: D-SACK (RFC 2883) */
		Segment again = client.segment(flag::ack, std::string(5, 'x'));
		again.seq = base + 50;
		client.send(again);
		auto ack = client.expect_ack(base);
		ASSERT_TRUE(ack) << w.wire.log();
		std::vector<uint32_t> edges = sack_edges(*ack);
		ASSERT_GE(edges.size(), 4u) << w.wire.log();
		EXPECT_EQ(edges[0], base + 50);
		EXPECT_EQ(edges[1], base + 55);
		/* the gaps are filled: no block is left */
		client.data(std::string(10, 'x'));
		client.skip(5);
		client.data(std::string(15, 'x'));
		client.skip(5);
		client.data(std::string(15, 'x'));
		client.skip(5);
		ack = client.expect_ack(base + 55);
		ASSERT_TRUE(ack) << w.wire.log();
		EXPECT_EQ(ack->ack, base + 55);
		EXPECT_EQ(sack_edges(*ack).size(), 0u) << w.wire.log();
		w.expect_session(0, w.origin(), "hello" + std::string(55, 'x'));
	});
}

/* ---- the end --------------------------------------------------------------------------- */

TEST_P(Translate, takes_only_an_exact_reset)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);
		std::string header = w.header(1);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(header + "hello");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		w.expect_session(0, w.origin(), "hello");
		client.forget();
		/* what would be exact without translation, too: RFC 5961, section 3.2 */
		for (uint32_t off : { (uint32_t)header.size(), 1u }) {
			Segment wrong = client.segment(flag::rst);

			std::this_thread::sleep_for(600ms); /* tcp_invalid_ratelimit */
			wrong.seq += off;
			client.send(wrong);
			auto challenge = client.expect_ack(client.next());
			ASSERT_TRUE(challenge) << off << w.wire.log();
			EXPECT_EQ(challenge->ack, client.next());
		}
		client.data("still there");
		w.expect_session(0, w.origin(), "hellostill there");
		client.send(client.segment(flag::rst));
		ASSERT_TRUE(w.server->wait_done(1)) << w.wire.log();
		EXPECT_EQ(w.server->sessions()[0].errors, std::vector<int>{ ECONNRESET });
	});
}

TEST_P(Translate, resets_from_the_server_are_exact)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "unread");
		ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		{
			Accepted a = accept_from(listener); /* closed with data unread */
		}
		auto reset = client.expect_reset();
		ASSERT_TRUE(reset) << w.wire.log();
		EXPECT_EQ(reset->seq, client.expected());
		if (reset->has(flag::ack)) {
			EXPECT_EQ(reset->ack, client.next());
		}
	});
}

/* TIME_WAIT answers for the connection, in the client's numbers. */
TEST_P(Translate, answers_late_segments_after_the_end)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(1) + "hello");
		ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << w.wire.log();
		{
			Accepted a = accept_from(listener);

			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
		}
		auto fin = client.expect([](const Segment &s) { return s.has(flag::fin); });
		ASSERT_TRUE(fin) << w.wire.log();
		Segment end = client.segment(flag::ack | flag::fin);
		end.ack = fin->seq + 1;
		client.send(end);
		ASSERT_TRUE(client.expect_ack(client.next() + 1)) << w.wire.log();
		for (int i = 0; i < 2; i++) {               /* as if the answer had been lost */
			std::this_thread::sleep_for(600ms); /* tcp_invalid_ratelimit */
			client.forget();
			client.send(end);
			auto ack = client.expect_ack(client.next());
			ASSERT_TRUE(ack) << w.wire.log();
			EXPECT_EQ(ack->ack, client.next() + 1);
		}
	});
}

TEST_P(Translate, the_same_port_again_with_headers_of_other_lengths)
{
	RawOptions options = { .start_servers = false };

	translated(options, [](RawWorld &w) {
		Socket listener = listen_on(w.service);
		uint32_t isn = 1000;
		std::deque<RawClient> clients;

		for (size_t i = 0; i < 6; i++) {
			RawClient &client = clients.emplace_back(
				w.wire, w.service, RawClientOptions{ .port = 34000, .isn = isn });

			ASSERT_TRUE(client.open()) << i << w.wire.log();
			client.data(w.long_header(100 + 37 * (i % 4)) + "hello");
			ASSERT_TRUE(polls_readable(listener.fd(), 2s)) << i << w.wire.log();
			{
				Accepted a = accept_from(listener);

				EXPECT_EQ(a.address.text(), w.origin());
				EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
				if (i % 2) { /* the client first: nothing stays at the server */
					client.finish();
					ASSERT_TRUE(client.expect_ack(client.next()))
						<< w.wire.log();
				}
			}
			auto fin = client.expect([](const Segment &s) { return s.has(flag::fin); });
			ASSERT_TRUE(fin) << w.wire.log();
			Segment end = client.segment(flag::ack | (i % 2 ? 0 : flag::fin));
			end.ack = fin->seq + 1;
			client.send(end);
			if (i % 2 == 0) {
				ASSERT_TRUE(client.expect_ack(client.next() + 1)) << w.wire.log();
			}
			client.forget();
			isn += 1000000;
			std::this_thread::sleep_for(5ms); /* a timestamp later */
		}
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", 6));
	});
}

/* ---- listeners and clients ------------------------------------------------------------- */

static std::string mp_capable()
{
	return std::string("\x1e\x04\x01\x81", 4); /* version 1, of a SYN (RFC 8684) */
}

TEST_P(Translate, takes_multipath_and_fast_open_out_of_a_syn)
{
	translated([](RawWorld &w) {
		for (const std::string &extra : { mp_capable(), std::string("\x22\x02\x01\x01", 4),
						  std::string("\xfe\x04\xf9\x89", 4) }) {
			RawClient client(w.wire, w.service);
			Segment syn = client.syn_segment();
			size_t before = w.server->count();

			syn.options += extra;
			syn.payload = w.header(2, 666) + "early"; /* to be sent again */
			auto answer = client.syn(syn);
			if (!answer) /* acknowledged with its data? */
				FAIL() << w.wire.log();
			EXPECT_FALSE(answer->option(30));
			EXPECT_FALSE(answer->option(34));
			client.ack();
			EXPECT_TRUE(client.silent()) << w.wire.log();
			client.data(w.header(2) + "hello");
			w.expect_session(before, w.origin(), "hello");
		}
		w.expect_only("accepted_v2_proxy", 3);
	});
}

class TranslateCookies : public testing::TestWithParam<std::tuple<int, bool>>
{
};
INSTANTIATE_TEST_SUITE_P(Raw, TranslateCookies,
			 testing::Combine(testing::Values(0, 1, 2), testing::Bool()));

/* 2: every connection is one with a SYN cookie; there is no request socket then. */
TEST_P(TranslateCookies, serves_with_and_without_cookies)
{
	in_sandbox([&](Sandbox &box) {
		auto [cookies, ipv6] = GetParam();
		RawOptions options;

		options.engine = "translate";
		set_sysctl("net.ipv4.tcp_syncookies", std::to_string(cookies));
		RawWorld w(box, ipv6, options);
		std::string header = w.header(2);
		size_t session = 0;
		const std::vector<std::vector<std::string>> streams = {
			{ header + "hello" },
			{ header, "hello" },
			{ header.substr(0, 9), header.substr(9) + "hello" },
			{ header.substr(0, 9), header.substr(9), "hello" },
		};

		for (const std::vector<std::string> &parts : streams) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			for (const std::string &part : parts) {
				client.data(part);
				auto ack = client.expect_ack(client.next());
				ASSERT_TRUE(ack) << w.wire.log();
				EXPECT_EQ(ack->ack, client.next());
			}
			w.expect_session(session++, w.origin(), "hello");
		}
		w.expect_only("accepted_v2_proxy", session);
		w.server->stop();
		EXPECT_EQ(w.agent->stop(), 0);
	});
}

/* ---- where the programs are not -------------------------------------------------------- */

/* An interface that they are not on: nothing gets through it. */
TEST_P(Translate, nothing_passes_where_its_programs_are_not)
{
	RawOptions options = { .agent = { "--interface", "lo" } };

	translated(options, [](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "hello");
		client.send(client.piece(0, w.header(2) + "hello"));
		EXPECT_FALSE(eventually([&] { return w.server->count() > 0; }, 500ms));
	});
}

/* Somebody detaches the links, or, below Linux 6.6, deletes the qdisc. */
static void take_programs_off(const RawWorld &w)
{
	size_t links = 0;

	for (const auto &entry : std::filesystem::directory_iterator(w.agent->pin_dir()))
		if (entry.path().filename().string().rfind("link_translate_in", 0) == 0) {
			int link = bpf_obj_get(entry.path().c_str());

			ASSERT_GE(link, 0);
			EXPECT_EQ(bpf_link_detach(link), 0);
			close(link);
			links++;
		}
	if (links)
		return;
	bpf_tc_hook hook = {};
	hook.sz = sizeof(hook);
	hook.ifindex = (int)if_nametoindex(w.wire.interface().c_str());
	hook.attach_point = (bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS);
	EXPECT_EQ(bpf_tc_hook_destroy(&hook), 0);
}

/* They are taken away under a live connection: its bytes must not get to wrong places. */
TEST_P(Translate, a_live_connection_gets_nothing_untranslated)
{
	translated([](RawWorld &w) {
		RawClient client(w.wire, w.service);

		ASSERT_TRUE(client.open()) << w.wire.log();
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
		take_programs_off(w);
		client.forget();
		client.data("wrong");
		client.send(client.piece(0, w.header(2) + "hellowrong"));
		EXPECT_FALSE(client.expect_ack(client.next(), 500ms)) << w.wire.log();
		EXPECT_EQ(w.server->sessions()[0].bytes, "hello");
		/* the next agent puts them back, and the connection goes on */
		EXPECT_EQ(w.agent->stop(), 0) << w.agent->process().err();
		w.start_agent("translate");
		client.send(client.piece(w.header(2).size() + 5, "wrong"));
		w.expect_session(0, w.origin(), "hellowrong");
	});
}

} // namespace live

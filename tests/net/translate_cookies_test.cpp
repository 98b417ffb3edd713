// SPDX-License-Identifier: BSD-2-Clause
/*
 * The translate engine and SYN cookies: TCP keeps nothing of a SYN-ACK that it has sent, so each SYN draws one of
 * its own, be it a blind one with the ports of a connection that waits for its header.
 */
#include <bpf/bpf.h>
#include <signal.h>

#include <deque>
#include <tuple>

#include "bpf/abi.h"
#include "support/translate.h"

namespace live
{

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

/* ---- other SYNs ----------------------------------------------------------------------------- */

class TranslateOtherSyn : public Translate
{
protected:
	/* Every connection is one with a SYN cookie. */
	void with_cookies(const std::function<void(RawWorld &)> &body)
	{
		translated([&](RawWorld &w) {
			set_sysctl("net.ipv4.tcp_syncookies", "2");
			body(w);
		});
	}

	/* From somebody who guesses the ports, or of a client that has forgotten the first. */
	static Segment other_syn(const RawClient &client, uint32_t distance = 100000000)
	{
		Segment syn = client.syn_segment();

		syn.seq += distance;
		return syn;
	}

	static std::optional<Segment> answer_to(RawClient &client, const Segment &syn)
	{
		client.send(syn);
		return client.expect([&](const Segment &s) {
			return s.has(flag::syn | flag::ack) && s.ack == syn.seq + 1;
		});
	}

	/* The challenge ACK of RFC 5961, section 4: it says where the connection under way is. */
	static std::optional<Segment> challenge(RawClient &client)
	{
		return client.expect([&](const Segment &s) {
			return !(s.flags & (flag::syn | flag::rst)) && s.ack == client.next();
		});
	}

	/* As if it had gone a while ago. */
	static void without_agent(const RawWorld &w)
	{
		Socket map(bpf_obj_get((w.agent->pin_dir() + "/tp_config").c_str()));
		uint32_t zero = 0;
		tp_config_entry config = {};

		w.agent->process().signal(SIGSTOP);
		ASSERT_EQ(bpf_map_lookup_elem(map.fd(), &zero, &config), 0);
		config.alive_ns = 0;
		ASSERT_EQ(bpf_map_update_elem(map.fd(), &zero, &config, BPF_ANY), 0);
	}
};
TP_INSTANTIATE_RAW(TranslateOtherSyn);

TEST_P(TranslateOtherSyn, is_challenged_and_the_connection_goes_on)
{
	with_cookies([](RawWorld &w) {
		std::string header = w.header(2);
		size_t session = 0;

		for (size_t received : { 0, 20 }) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			if (received) {
				client.data(header.substr(0, received));
				ASSERT_TRUE(client.expect_ack(client.next())) << w.wire.log();
			}
			client.send(other_syn(client));
			auto answer = challenge(client);
			ASSERT_TRUE(answer) << w.wire.log();
			EXPECT_EQ(answer->seq, client.expected());
			/* no more than TCP's own: one in half a second */
			for (uint32_t i = 1; i < 20; i++)
				client.send(other_syn(client, i << 26));
			EXPECT_TRUE(client.silent(50ms)) << w.wire.log();
			client.data(header.substr(received) + "hello");
			w.expect_session(session++, w.origin(), "hello");
		}
		w.expect_only("accepted_v2_proxy", session);
		EXPECT_EQ(w.agent->counters()["connections_begun"], session);
	});
}

/* Neither SYN-ACK has been acknowledged: the client's first segment tells which one it has taken. */
TEST_P(TranslateOtherSyn, before_the_clients_acknowledgement_leaves_the_connection_alone)
{
	with_cookies([](RawWorld &w) {
		const std::vector<std::vector<std::string>> streams = {
			{ "", w.header(2) + "hello" }, /* an acknowledgement of its own */
			{ w.header(2) + "hello" },
			{ w.header(2), "hello" },
			{ w.header(2).substr(0, 20), w.header(2).substr(20) + "hello" },
		};
		size_t session = 0;

		for (const std::vector<std::string> &parts : streams) {
			RawClient client(w.wire, w.service);
			/* before and behind the client's own */
			ASSERT_TRUE(answer_to(client, other_syn(client, 1u << 30))) << w.wire.log();
			ASSERT_TRUE(client.syn()) << w.wire.log();
			for (uint32_t i = 1; i <= 3; i++) {
				auto other = answer_to(client, other_syn(client, i << 28));

				ASSERT_TRUE(other) << w.wire.log();
				EXPECT_NE(other->seq, client.server_isn());
			}
			for (const std::string &part : parts) {
				client.data(part);
				if (part.empty())
					continue;
				auto ack = client.expect_ack(client.next());
				ASSERT_TRUE(ack) << w.wire.log();
				EXPECT_EQ(ack->ack, client.next());
			}
			w.expect_session(session++, w.origin(), "hello");
		}
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", session));
	});
}

/* Who has seen no SYN-ACK has no number that counts, nor the one of another first number. */
TEST_P(TranslateOtherSyn, brings_nobody_a_name)
{
	with_cookies([](RawWorld &w) {
		for (bool taken : { false, true }) {
			size_t session = w.server->count();
			RawClient client(w.wire, w.service);
			std::string evil = w.header(2, 666) + "evil!";

			ASSERT_TRUE(client.syn()) << w.wire.log();
			if (taken)
				client.ack();
			Segment syn = other_syn(client);
			client.send(syn);
			for (uint32_t guess : { 0u, 4u, 1000u, 1u << 24, 1u << 31 }) {
				for (uint32_t first : { client.isn() + 1, syn.seq + 1 }) {
					Segment blind = client.piece(0, evil);

					blind.seq = first;
					blind.ack = client.expected() + guess;
					if (first != client.isn() + 1 || guess)
						client.send(blind);
				}
			}
			EXPECT_FALSE(w.server->wait_accepted(session + 1, 20ms)) << w.wire.log();
			client.data(w.header(2, 1111) + "hello");
			w.expect_session(session, w.origin(1111), "hello");
		}
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", 2));
	});
}

/* It has lost the connection, and uses its port again. */
TEST_P(TranslateOtherSyn, of_a_client_that_begins_anew_is_served)
{
	with_cookies([](RawWorld &w) {
		for (bool taken : { false, true }) {
			size_t session = w.server->count();
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.syn()) << w.wire.log();
			if (taken) {
				client.ack();
				client.send(other_syn(client));
				auto answer = challenge(client);
				ASSERT_TRUE(answer) << w.wire.log();
				Segment reset = client.segment(flag::rst);
				reset.seq = answer->ack;
				client.send(reset);
			}
			ASSERT_TRUE(client.syn(other_syn(client))) << w.wire.log();
			client.ack();
			client.data(w.header(2) + "hello");
			w.expect_session(session, w.origin(), "hello");
		}
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", 2));
		EXPECT_TRUE(w.agent->counts("empty", 2)) << "the first attempts";
		EXPECT_EQ(w.agent->counters()["connections_begun"], 4u);
	});
}

/* Then nobody challenges, and the acknowledgement tells. */
TEST_P(TranslateOtherSyn, without_an_agent)
{
	with_cookies([](RawWorld &w) {
		std::string header = w.header(2);
		size_t session = 0;

		without_agent(w);
		for (size_t received : { 0, 20 }) {
			RawClient client(w.wire, w.service);

			ASSERT_TRUE(client.open()) << w.wire.log();
			client.data(header.substr(0, received));
			ASSERT_TRUE(answer_to(client, other_syn(client))) << w.wire.log();
			client.data(header.substr(received) + "hello");
			w.expect_session(session++, w.origin(), "hello");
		}
		RawClient client(w.wire, w.service); /* begins anew */
		ASSERT_TRUE(client.open()) << w.wire.log();
		ASSERT_TRUE(client.syn(other_syn(client))) << w.wire.log();
		client.data(header + "hello");
		w.expect_session(session++, w.origin(), "hello");
		w.agent->process().signal(SIGCONT);
		EXPECT_TRUE(w.agent->counts("accepted_v2_proxy", session));
	});
}

/* The listener's queue was full at the first SYN, and is not any more: TCP would make a request for the other one. */
TEST_P(TranslateOtherSyn, when_the_queue_has_room_again)
{
	RawOptions options;

	options.server.listen.backlog = 2;
	translated(options, [](RawWorld &w) {
		std::deque<RawClient> clients;
		size_t requests;

		set_sysctl("net.ipv4.tcp_syncookies", "1");
		do {
			requests = w.sockets();
			ASSERT_LT(clients.size(), 32u);
			RawClient &next = clients.emplace_back(w.wire, w.service);
			ASSERT_TRUE(next.open()) << w.wire.log();
		} while (w.sockets() > requests);
		RawClient &client = clients.back();
		for (RawClient &before : clients)
			if (&before != &client)
				before.send(before.segment(flag::rst | flag::ack));
		EXPECT_TRUE(eventually([&] { return w.sockets() == 1; }));
		client.send(other_syn(client));
		ASSERT_TRUE(challenge(client)) << w.wire.log();
		EXPECT_EQ(w.sockets(), 1u);
		client.data(w.header(2) + "hello");
		w.expect_session(0, w.origin(), "hello");
	});
}

/* TCP has a request for the other SYN, and takes no cookie beside it: docs/LIMITS.md. */
TEST_P(TranslateOtherSyn, that_finds_room_first_is_as_with_tcp)
{
	translated([](RawWorld &w) {
		for (const Endpoint &to : { w.plain, w.service }) {
			const Server &server = to.port() == 8080 ? *w.server : *w.plain_server;
			RawClient client(w.wire, to);

			set_sysctl("net.ipv4.tcp_syncookies", "2");
			ASSERT_TRUE(client.syn()) << w.wire.log();
			set_sysctl("net.ipv4.tcp_syncookies", "1");
			Segment other = other_syn(client);
			ASSERT_TRUE(answer_to(client, other)) << w.wire.log();
			client.data(w.header(2) + "hello");
			EXPECT_FALSE(server.wait_accepted(1, 50ms)) << to.port();
			Segment reset = client.segment(flag::rst);
			reset.seq = other.seq + 1;
			client.send(reset);
			EXPECT_TRUE(eventually([&] { return w.sockets(to.port()) == 1; }));
		}
		EXPECT_TRUE(w.agent->counts("empty", 2));
		EXPECT_EQ(w.agent->total(), 2u);
	});
}

} // namespace live

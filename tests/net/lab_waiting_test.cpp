// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections that wait for their header: what comes meanwhile is answered as TCP answers it,
 * and the header counts as long as the header timeout says.
 */
#include <thread>

#include "support/lab_world.h"
#include "support/raw_world.h"

namespace live
{

class LabWaiting : public Lab
{
protected:
	struct Place : Neighbour {
		explicit Place(LabWorld &w, const LabOptions &options = {})
		    : Neighbour(w, "eth0", 1)
		{
			w.start(w.at(1, 1), options);
			station->resolve(w.at(1, 1));
		}
	};

	/* A SYN of somebody who knows the ports, `distance` from the client's first number. */
	static Segment blind_syn(const RawClient &client, const Endpoint &to, uint32_t distance)
	{
		Segment s = client.syn_segment();

		s.destination_port = to.port();
		s.seq = client.isn() + distance;
		s.options = option::mss(1460);
		return s;
	}

	/*
	 * What comes back for it: nothing, a challenge ACK, or what there must not be. The
	 * connection began at `since`. A second after that, TCP repeats its SYN-ACK if the client's
	 * ACK is still held back, which is no answer.
	 */
	static std::string answer_to_blind_syn(RawClient &client, const Endpoint &to,
					       uint32_t distance, Clock::time_point since)
	{
		auto counts = [&](const Segment &s) {
			bool repeated = s.has(flag::syn) && s.seq + 1 == client.expected() &&
					s.ack == client.isn() + 1;

			return !repeated || Clock::now() - since < 900ms;
		};

		client.send(blind_syn(client, to, distance));
		auto answer = client.expect(counts, 150ms);

		if (!answer)
			return "nothing";
		if (answer->has(flag::rst))
			return "reset";
		if (answer->has(flag::syn))
			return answer->ack == client.isn() + 1 ? "the first answer again" :
								 "a new connection";
		/* at most what has come; TCP's request knows of nothing behind the SYN */
		return answer->seq == client.expected() &&
				       answer->ack - client.isn() - 1 <=
					       client.next() - client.isn() - 1 ?
			       "challenge" :
			       "an odd acknowledgement";
	}
};
TP_INSTANTIATE_LAB(LabWaiting, false);

/*
 * RFC 5961, section 4.  The same SYN goes to a plain connection that is as far, as TCP has it a
 * request or a socket: what is worse there than with TCP is a fault here.
 */
TEST_P(LabWaiting, blind_syn_between_handshake_and_header_does_not_matter)
{
	lab([](LabWorld &w) {
		Place place(w);
		std::string host = place.station->client(w.ipv6);
		size_t index = 0;

		for (size_t received : { 0, 1, 20 }) { /* of the header */
			RawClient client(*place.station, w.service, { .host = host });
			std::string header = w.header();
			auto since = Clock::now();

			ASSERT_TRUE(client.open()) << client.wire().log();
			if (received) {
				client.data(header.substr(0, received));
				EXPECT_TRUE(client.expect_ack(client.next()));
			}
			for (uint32_t distance : { 0x40000000u, 0x80000000u, (uint32_t)-5000 }) {
				std::string got =
					answer_to_blind_syn(client, w.service, distance, since);

				EXPECT_TRUE(got == "challenge" || got == "nothing")
					<< got << " for a SYN " << (int32_t)distance << " away, "
					<< received << " bytes of the header received"
					<< client.wire().log();
			}
			client.data(header.substr(received) + "hello");
			w.expect_session(index++, w.origin(), "hello", client.wire().log());
		}
		/* the plain connection of the same kind, which has a socket by now */
		RawClient plain(*place.station, w.plain, { .host = host });
		ASSERT_TRUE(plain.open());
		EXPECT_EQ(answer_to_blind_syn(plain, w.plain, 0x40000000u, Clock::now()),
			  "challenge");
		EXPECT_EQ(w.agent->total(), index) << w.counted();
	});
}

/* Before the client's ACK, where TCP has a request: neither loses the connection. */
TEST_P(LabWaiting, blind_syn_before_the_handshake_has_ended_does_not_matter)
{
	lab([](LabWorld &w) {
		Place place(w);
		std::string host = place.station->client(w.ipv6);

		for (const Endpoint &to : { w.plain, w.service }) {
			const Server &server = to.port() == 8080 ? *w.server : *w.plain_server;
			std::string data = (to.port() == 8080 ? w.header() : "") + "hello";
			RawClient client(*place.station, to, { .host = host });
			auto since = Clock::now();

			ASSERT_TRUE(client.syn()) << client.wire().log();
			std::string got = answer_to_blind_syn(client, to, 0x40000000u, since);
			EXPECT_TRUE(got == "challenge" || got == "nothing")
				<< to.port() << ": " << got << client.wire().log();
			client.ack();
			client.data(data);
			/* two segments at once, on two CPUs: TCP may drop one, and then gets it again */
			if (!client.expect_ack(client.next(), 500ms))
				client.send(client.piece(0, data));
			EXPECT_EQ(server.wait_bytes(0, 5, 3s).bytes, "hello")
				<< to.port() << client.wire().log();
		}
		EXPECT_EQ(w.server->sessions().at(0).accepted.text(), w.origin());
	});
}

/*
 * A number that lies in the window: TCP gives a request up for it, and challenges for a socket.
 * In no case may the SYN take the connection's place.
 */
TEST_P(LabWaiting, blind_syn_in_the_window_does_not_take_the_connections_place)
{
	lab([](LabWorld &w) {
		Place place(w);
		RawClient client(*place.station, w.service,
				 { .host = place.station->client(w.ipv6) });
		auto since = Clock::now();

		ASSERT_TRUE(client.open()) << client.wire().log();
		std::string got = answer_to_blind_syn(client, w.service, 500, since);
		EXPECT_TRUE(got == "challenge" || got == "nothing" || got == "reset")
			<< got << client.wire().log();
		if (got == "reset")
			return;
		client.data(w.header() + "hello");
		w.expect_session(0, w.origin(), "hello", client.wire().log());
	});
}

/* RFC 9293, section 3.8.4: with and without a byte of garbage, before and amid the header. */
TEST_P(LabWaiting, keepalive_probes_are_answered)
{
	lab([](LabWorld &w) {
		Place place(w);
		RawClient client(*place.station, w.service,
				 { .host = place.station->client(w.ipv6) });
		std::string header = w.header();

		ASSERT_TRUE(client.open()) << client.wire().log();
		for (size_t received : { 0, 20 }) {
			if (received) {
				client.data(header.substr(0, received));
				EXPECT_TRUE(client.expect_ack(client.next()));
			}
			for (const char *garbage : { "", "x" }) {
				/* TCP answers no more than two of these in a second */
				std::this_thread::sleep_for(600ms);
				client.forget();
				client.send(client.piece(received - 1, garbage));
				auto answer = client.expect(
					[](const Segment &s) { return !s.has(flag::syn); }, 1s);
				ASSERT_TRUE(answer) << received << " bytes received, garbage \""
						    << garbage << "\"" << client.wire().log();
				EXPECT_FALSE(answer->has(flag::rst)) << client.wire().log();
				EXPECT_EQ(answer->ack, client.next()) << client.wire().log();
			}
		}
		client.data(header.substr(20) + "hello");
		w.expect_session(0, w.origin(), "hello", client.wire().log());
	});
}

/* TCP would give such a request up after 3 s; the header timeout is 5. */
TEST_P(LabWaiting, late_header_is_served_where_syn_acks_are_not_sent_again)
{
	lab([](LabWorld &w) {
		set_sysctl("net.ipv4.tcp_synack_retries", "1");
		Place place(w);
		RawClient client(*place.station, w.service,
				 { .host = place.station->client(w.ipv6) });

		ASSERT_TRUE(client.open()) << client.wire().log();
		std::this_thread::sleep_for(4s);
		client.forget();
		client.data(w.header() + "hello");
		/* an agent that cannot keep its timeout says so when it starts */
		bool warned =
			w.agent->process().err().find("tcp_synack_retries") != std::string::npos;
		if (!warned || w.server->wait_accepted(1, 1s))
			w.expect_session(0, w.origin(), "hello", client.wire().log());
	});
}

/* More than a minute, which is what SYN-ACKs take with the usual number of retries. */
TEST_P(LabWaiting, header_after_seventy_seconds_is_served)
{
	if (!number_from_environment("TP_LONG_TESTS", 0))
		return; /* one of the long tests */
	lab(
		[](LabWorld &w) {
			Place place(w, { .agent = { "--header-timeout", "200" } });
			RawClient client(*place.station, w.service,
					 { .host = place.station->client(w.ipv6) });

			ASSERT_TRUE(client.open()) << client.wire().log();
			for (int second = 0; second < 70; second++) {
				auto s = client.expect([](const Segment &) { return true; }, 1s);

				if (s && s->has(flag::syn)) /* as a client's TCP does */
					client.ack();
			}
			client.data(w.header() + "hello");
			w.expect_session(0, w.origin(), "hello", client.wire().log());
		},
		100s);
}

} // namespace live

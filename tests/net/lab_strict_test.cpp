// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections of every kind before the eyes of connection tracking that is strict: no packet of them is invalid, neither
 * on a router nor on the host itself, and each gets its name.
 */
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "support/strict.h"
#include "support/thread.h"

namespace live
{

class LabStrict : public Lab
{
protected:
	struct Kind {
		const char *name;
		void (*run)(StrictNetwork &network);
	};

	void all_valid(const std::vector<Kind> &kinds, const std::vector<std::string> &agent = {})
	{
		lab([&](LabWorld &w) {
			StrictNetwork network(w, agent);

			for (const Kind &kind : kinds) {
				kind.run(network);
				network.expect_all_valid(kind.name);
			}
			printf("conntrack strict, %s, IPv%c: %s, 0 invalid\n", w.engine.c_str(),
			       w.ipv6 ? '6' : '4', network.figures().c_str());
			fflush(stdout);
			network.expect_counting();
		});
	}
};

/* All but the handshake engine, which answers before anybody tracks. */
static std::vector<LabCase> strict_cases()
{
	std::vector<LabCase> cases = lab_cases(true);

	std::erase_if(cases, [](const LabCase &c) { return c.engine == "handshake"; });
	return cases;
}
INSTANTIATE_TEST_SUITE_P(Lab, LabStrict, testing::ValuesIn(strict_cases()), lab_name);

static std::string bytes_of(size_t size, char seed)
{
	std::string bytes(size, '\0');

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 31 + i / 251 + (size_t)seed);
	return bytes;
}

/* ---- headers ----------------------------------------------------------------------------- */

static void whole(StrictNetwork &network)
{
	Talks talks = network.open(40);

	for (Talk &t : talks)
		t.client.send(t.head + "hello");
	network.accept(talks);
	for (const auto &connection : network.world().agent->json({ "connections" }))
		EXPECT_EQ(connection.at("engine"), "translate");
	for (Talk &t : talks) {
		EXPECT_EQ(receive_exactly(t.server.fd(), 5), "hello");
		t.answer("welcome");
		t.end();
	}
}

/* The server speaks first, and ends first. */
static void alone(StrictNetwork &network)
{
	Talks talks = network.open(40);

	for (Talk &t : talks)
		t.client.send(t.head);
	network.accept(talks);
	for (Talk &t : talks) {
		t.answer("welcome");
		t.ask("hello");
		t.server.close();
		EXPECT_EQ(t.client.receive_all().end, End::eof);
	}
}

static void in_pieces(StrictNetwork &network)
{
	Talks talks = network.open(40);

	for (size_t at = 0; at < talks[0].head.size(); at += 9)
		for (Talk &t : talks)
			t.client.send(t.head.substr(at, 9));
	network.accept(talks);
	for (Talk &t : talks) {
		t.ask("hello");
		t.answer("welcome");
		t.end();
	}
}

static void with_cookies(StrictNetwork &network)
{
	network.world().host.sysctl("net.ipv4.tcp_syncookies", "2");
	for (auto run : { whole, alone, in_pieces })
		run(network);
	network.world().host.sysctl("net.ipv4.tcp_syncookies", "1");
}

/* ---- losses -------------------------------------------------------------------------------- */

/* Each client's first segment with data is lost on its way to the router, or behind it. */
static void lost_header(StrictNetwork &network)
{
	std::string first = "tcp dport 8080 tcp flags & psh == psh tcp sport != @seen "
			    "add @seen { tcp sport } drop";

	network.losing(first, "", [&] { whole(network); });
	network.losing("", first, [&] { alone(network); });
}

/* The client sends its header again, although the server has it. */
static void lost_acknowledgement(StrictNetwork &network)
{
	std::string first = "tcp sport 8080 tcp flags & syn != syn tcp dport != @seen "
			    "add @seen { tcp dport } drop";

	network.losing(first, "", [&] { in_pieces(network); });
	network.losing("", first, [&] { whole(network); });
}

static void flood(Talk &t)
{
	static const std::string there = bytes_of(1 << 20, 1), back = bytes_of(1 << 20, 2);
	Thread up([&] { EXPECT_TRUE(t.client.send(there)); });
	Thread down([&] {
		EXPECT_EQ(send(t.server.fd(), back.data(), back.size(), MSG_NOSIGNAL),
			  (ssize_t)back.size());
	});

	EXPECT_TRUE(t.client.receive(back.size()).bytes == back);
	EXPECT_TRUE(receive_exactly(t.server.fd(), there.size()) == there);
}

static void bulk(StrictNetwork &network)
{
	Talks talks = network.open(4);

	for (Talk &t : talks)
		t.client.send(t.head);
	network.accept(talks);
	for (Talk &t : talks) {
		flood(t);
		t.end();
	}
}

/* Single segments, one in about twenty lost, each way, before and behind the router's tracking. */
static void bulk_with_losses(StrictNetwork &network)
{
	std::string data = "tcp flags & (fin | syn | rst) == 0x0 numgen inc mod ";

	for (const Host *host : { &network.client(), (const Host *)&network.world().host })
		host->offloads("eth0", { .segmentation = false });
	network.losing(data + "37 == 0 drop", data + "41 == 0 drop", [&] { bulk(network); });
	for (const Host *host : { &network.client(), (const Host *)&network.world().host })
		host->offloads("eth0", { .segmentation = true });
}

/* ---- ends ---------------------------------------------------------------------------------- */

static Talks served(StrictNetwork &network, size_t connections)
{
	Talks talks = network.open(connections);

	for (Talk &t : talks)
		t.client.send(t.head + "hello");
	network.accept(talks);
	for (Talk &t : talks) {
		EXPECT_EQ(receive_exactly(t.server.fd(), 5), "hello");
		t.answer("welcome");
	}
	return talks;
}

static void half_closed(StrictNetwork &network)
{
	Talks talks = network.open(20);

	for (Talk &t : talks) {
		t.client.send(t.head + "hello");
		t.client.finish();
	}
	network.accept(talks);
	for (Talk &t : talks) {
		EXPECT_EQ(receive_exactly(t.server.fd(), 6), "hello");
		t.answer(bytes_of(20000, 3));
		t.server.close();
		EXPECT_EQ(t.client.receive_all().end, End::eof);
	}
}

static void half_closed_by_the_server(StrictNetwork &network)
{
	for (Talk &t : served(network, 20)) {
		shutdown(t.server.fd(), SHUT_WR);
		EXPECT_EQ(t.client.receive_all().end, End::eof);
		t.ask(bytes_of(20000, 4));
		t.end();
	}
}

static void reset_by_the_client(StrictNetwork &network)
{
	for (Talk &t : served(network, 20)) {
		char byte;

		t.client.reset();
		EXPECT_EQ(recv(t.server.fd(), &byte, 1, 0), -1);
		EXPECT_EQ(errno, ECONNRESET);
	}
}

static void reset_by_the_server(StrictNetwork &network)
{
	for (Talk &t : served(network, 20)) {
		linger now = { 1, 0 };

		setsockopt(t.server.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		t.server.close();
		EXPECT_EQ(t.client.receive_all().end, End::reset);
	}
}

/* ... which has not read all that it has got. */
static void closed_without_reading(StrictNetwork &network)
{
	for (Talk &t : served(network, 20)) {
		t.client.send("and more");
		EXPECT_TRUE(polls_readable(t.server.fd(), scaled(2s)));
		t.server.close();
		EXPECT_EQ(t.client.receive_all().end, End::reset);
	}
}

/* Whether no connection of the client's has this port any more: the last ACK is the kernel's business. */
static bool has_no_connection(const StrictNetwork &network, const Endpoint &local)
{
	Guest there(network.client().fd());
	Socket s(socket(local.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));

	return bind(s.fd(), (const sockaddr *)&local.storage, local.size) == 0;
}

/*
 * The server's side is in TIME_WAIT, and the header has another length each time.  No connection
 * before these has had this port, which is not in the default range.
 */
static void same_port_again(StrictNetwork &network)
{
	bool ipv6 = network.world().ipv6;
	std::string origin = ipv6 ? "2001:db8::9" : "203.0.113.9";

	network.client().sysctl("net.ipv4.ip_local_port_range", "61000 61000");
	for (size_t i = 0; i < 10; i++) {
		EXPECT_TRUE(eventually([&] {
			return has_no_connection(network, endpoint(ipv6 ? "::" : "0.0.0.0", 61000));
		}));
		Talks talks = network.open(1);
		Talk &t = talks[0];

		t.client.send(i % 2 ? v1_header(origin, t.port, origin, 80) : t.head);
		network.accept(talks);
		t.ask("hello");
		t.server.close();
		EXPECT_EQ(t.client.receive_all().end, End::eof);
	}
	network.client().sysctl("net.ipv4.ip_local_port_range", "32768 60999");
}

/* ---- the tests ------------------------------------------------------------------------------ */

TEST_P(LabStrict, no_packet_of_served_connections_is_invalid)
{
	all_valid({
		{ "headers with data", whole },
		{ "headers alone", alone },
		{ "headers in pieces", in_pieces },
		{ "SYN cookies", with_cookies },
		{ "lost headers", lost_header },
		{ "lost acknowledgements", lost_acknowledgement },
		{ "1 MiB both ways", bulk },
		{ "1 MiB both ways with losses", bulk_with_losses },
		{ "clients that end before the answer", half_closed },
		{ "servers that end before the client", half_closed_by_the_server },
		{ "resets by clients", reset_by_the_client },
		{ "resets by servers", reset_by_the_server },
		{ "servers that close without reading", closed_without_reading },
		{ "the same port again", same_port_again },
	});
}

/* ---- refused connections -------------------------------------------------------------------- */

static void expect_ended(Talks &talks, End end)
{
	for (Talk &t : talks)
		EXPECT_EQ(t.client.receive_all().end, end);
}

static void without_header(StrictNetwork &network)
{
	Talks talks = network.open(20);

	for (Talk &t : talks)
		t.client.send("GET / HTTP/1.0\r\nHost: example.org\r\n\r\n");
	expect_ended(talks, End::reset);
}

static void half_a_header(StrictNetwork &network)
{
	Talks talks = network.open(20);

	for (Talk &t : talks) {
		t.client.send(t.head.substr(0, 14));
		t.client.finish();
	}
	expect_ended(talks, End::reset);
}

static void bad_end_of_a_header(StrictNetwork &network)
{
	Talks talks = network.open(20);

	for (Talk &t : talks)
		t.client.send("PROXY TCP4 203.0.113.9 ");
	for (Talk &t : talks)
		t.client.send("nonsense\r\n");
	expect_ended(talks, End::reset);
}

/* As health checks are. */
static void only_an_end(StrictNetwork &network)
{
	Talks talks = network.open(20);

	for (Talk &t : talks)
		t.client.finish();
	expect_ended(talks, End::eof);
}

static void only_a_reset(StrictNetwork &network)
{
	Talks talks = network.open(20);

	for (Talk &t : talks)
		t.client.reset();
}

static void too_late(StrictNetwork &network)
{
	Talks talks = network.open(10);

	for (Talk &t : talks)
		t.client.send(t.head.substr(0, t.port % 2 ? 14 : 0));
	expect_ended(talks, End::reset);
}

TEST_P(LabStrict, no_packet_of_refused_connections_is_invalid)
{
	all_valid(
		{
			{ "bytes that are no header", without_header },
			{ "half a header and an end", half_a_header },
			{ "a bad end of a header", bad_end_of_a_header },
			{ "nothing but an end", only_an_end },
			{ "nothing but a reset", only_a_reset },
			{ "headers that do not come", too_late },
		},
		{ "--header-timeout", "3" });
}

} // namespace live

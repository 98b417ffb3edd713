// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the handshake engine cannot work or would take something away, `auto` has
 * another engine serve, and `handshake` says why it does not start.
 */
#include <linux/tcp.h>
#include <netinet/in.h>

#include <cstring>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "support/raw_world.h"

namespace live
{

class HandshakeFallback : public Raw
{
};
TP_INSTANTIATE_RAW(HandshakeFallback);

static Socket make_listener(const Endpoint &local, const std::function<void(int)> &set,
			    int protocol = 0)
{
	Socket s(socket(local.family(), SOCK_STREAM | SOCK_CLOEXEC, protocol));

	if (!s)
		throw std::runtime_error(std::string("make socket: ") + std::strerror(errno));
	set_option(s.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
	set(s.fd());
	if (bind(s.fd(), (const sockaddr *)&local.storage, local.size) || listen(s.fd(), 16))
		throw std::runtime_error("listen: " + local.text());
	return s;
}

static const RawOptions automatic = { .engine = "auto", .start_servers = false };

/* One connection with header and payload; what accept() gave. */
static Accepted serve(RawWorld &w, const Socket &listener, RawClient &client, const Segment &syn)
{
	EXPECT_TRUE(client.syn(syn)) << w.wire.log();
	client.ack();
	client.data(w.header(2, client.port()) + "hello");
	EXPECT_TRUE(polls_readable(listener.fd(), scaled(3s))) << w.wire.log();
	Accepted a = accept_from(listener);
	EXPECT_EQ(a.address.text(), w.origin(client.port()));
	EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello") << w.wire.log();
	return a;
}

static Accepted serve(RawWorld &w, const Socket &listener, RawClient &client)
{
	return serve(w, listener, client, client.syn_segment());
}

TEST_P(HandshakeFallback, usual_listener_is_served_by_handshake)
{
	raw(automatic, [](RawWorld &w) {
		Socket listener = make_listener(w.service, [](int) {});
		RawClient client(w.wire, w.service);
		Accepted a = serve(w, listener, client);

		EXPECT_EQ(w.engine_of(client), "handshake");
	});
}

/* The server asks for the SYN; it must be there, whoever serves. */
TEST_P(HandshakeFallback, listener_that_saves_the_syn_gets_it)
{
	raw(automatic, [](RawWorld &w) {
		for (const Endpoint &local : { w.plain, w.service }) {
			Socket listener = make_listener(local, [](int fd) {
				set_option(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1);
			});
			RawClient client(w.wire, local);
			Accepted a;
			uint8_t syn[256];
			socklen_t size = sizeof(syn);

			if (local.port() == w.service.port()) {
				a = serve(w, listener, client);
			} else {
				ASSERT_TRUE(client.open()) << w.wire.log();
				a = accept_from(listener);
			}
			ASSERT_EQ(getsockopt(a.socket.fd(), IPPROTO_TCP, TCP_SAVED_SYN, syn, &size),
				  0)
				<< std::strerror(errno);
			EXPECT_EQ(size, packet_of(client.syn_segment()).size()) << local.port();
		}
	});
}

TEST_P(HandshakeFallback, listener_with_a_key_for_another_peer_serves_clients_without_one)
{
	raw(automatic, [](RawWorld &w) {
		Endpoint other = endpoint(w.wire.client(w.ipv6, 99), 0);
		tcp_md5sig key = {};

		std::memcpy(&key.tcpm_addr, &other.storage, sizeof(other.storage));
		key.tcpm_keylen = 6;
		std::memcpy(key.tcpm_key, "secret", 6);
		Socket listener = make_listener(w.service, [&](int fd) {
			ASSERT_EQ(setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)), 0)
				<< std::strerror(errno);
		});
		RawClient client(w.wire, w.service);
		Accepted a = serve(w, listener, client);
		/* who has a key and does not sign gets no answer, as on any TCP */
		RawClient unsigned_client(w.wire, w.service, { .host = other.host() });
		EXPECT_FALSE(unsigned_client.syn(unsigned_client.syn_segment(), 300ms))
			<< w.wire.log();
	});
}

TEST_P(HandshakeFallback, multipath_listener_is_served_by_translate)
{
	raw(automatic, [](RawWorld &w) {
		Socket listener = make_listener(w.service, [](int) {}, IPPROTO_MPTCP);
		RawClient client(w.wire, w.service);
		Accepted a = serve(w, listener, client);

		EXPECT_EQ(w.engine_of(client), "translate");
	});
}

/* What was left is counted and dated; it says nothing of a listener that is served since. */
TEST_P(HandshakeFallback, status_tells_what_was_left_and_that_it_is_past)
{
	raw(automatic, [](RawWorld &w) {
		auto service = [&] { return w.agent->json({ "status" })["services"][0]; };

		EXPECT_FALSE(service().contains("last_left_by_handshake"));
		{
			Socket listener = make_listener(w.service, [](int) {}, IPPROTO_MPTCP);
			RawClient one(w.wire, w.service), two(w.wire, w.service);
			Accepted a = serve(w, listener, one), b = serve(w, listener, two);

			EXPECT_EQ(service()["engine"], "translate");
			EXPECT_TRUE(service().contains("why_not_handshake"));
			EXPECT_EQ(service()["left_by_handshake"].value("mptcp", 0), 2);
		}
		Socket listener = make_listener(w.service, [](int) {});
		RawClient client(w.wire, w.service);
		Accepted a = serve(w, listener, client);
		EXPECT_EQ(w.engine_of(client), "handshake");
		nlohmann::json after = service();
		EXPECT_EQ(after["engine"], "handshake") << after.dump();
		EXPECT_FALSE(after.contains("why_not_handshake")) << after.dump();
		EXPECT_EQ(after["left_by_handshake"]["mptcp"], 2);
		EXPECT_LT(after["last_left_by_handshake"]["seconds_ago"], 60);
		Finished text = w.agent->command({ "status" });
		EXPECT_NE(text.out.find("left by the handshake engine: mptcp 2; the last "),
			  std::string::npos)
			<< text.out;
	});
}

/* ---- TCP Fast Open ----------------------------------------------------------------- */

static std::string cookie_request()
{
	return option::mss(1460) + "\x22\x02" + option::nop(2);
}

static RawOptions with_engine(const std::string &engine)
{
	return { .engine = engine, .start_servers = false };
}

/* A cookie of the kernel's for this client's address, from a port that is not served. */
static std::string cookie_of(RawWorld &w)
{
	Socket plain = make_listener(w.plain,
				     [](int fd) { set_option(fd, IPPROTO_TCP, TCP_FASTOPEN, 16); });
	RawClient client(w.wire, w.plain);
	Segment syn = client.syn_segment();

	syn.options = cookie_request();
	auto answer = client.syn(syn);
	if (!answer || !answer->option(34))
		throw std::runtime_error("no Fast Open cookie" + w.wire.log());
	return *answer->option(34);
}

/* A server that speaks first to whoever has a socket, and says so to the test. */
static Socket fast_open_listener(const RawWorld &w)
{
	return make_listener(w.service,
			     [](int fd) { set_option(fd, IPPROTO_TCP, TCP_FASTOPEN, 16); });
}

/* Whoever asks for a cookie gets none, and goes on as on a listener without Fast Open. */
TEST_P(HandshakeFallback, fast_open_listener_gives_no_cookie)
{
	raw(automatic, [](RawWorld &w) {
		set_sysctl("net.ipv4.tcp_fastopen", "3");
		Socket listener = fast_open_listener(w);
		RawClient usual(w.wire, w.service), asking(w.wire, w.service);
		Accepted a = serve(w, listener, usual);
		Segment syn = asking.syn_segment();

		syn.options = cookie_request();
		Accepted b = serve(w, listener, asking, syn);
		EXPECT_EQ(w.engine_of(asking), "handshake");
	});
}

/*
 * Bytes in a SYN with a valid cookie.  Whether they are a header, a part of one, or none: the server has no
 * connection before its header has come, and then the right name; and the client, which repeats its SYN without
 * them where that is not answered, has its connection.
 */
static void bytes_in_the_syn(RawWorld &w, const std::string &in_syn)
{
	set_sysctl("net.ipv4.tcp_fastopen", "3");
	std::string cookie = cookie_of(w), bytes = w.header(2) + "hello";
	Socket listener = fast_open_listener(w);
	RawClient client(w.wire, w.service);
	Segment syn = client.syn_segment();

	syn.options =
		option::mss(1460) + "\x22" + (char)(2 + cookie.size()) + cookie + option::nop(2);
	syn.payload = in_syn;
	client.send(syn);
	auto has_syn = [](const Segment &s) { return s.has(flag::syn); };
	auto answer = client.expect(has_syn, 500ms);
	if (!answer) {
		syn.options = option::mss(1460);
		syn.payload = "";
		client.send(syn);
		answer = client.expect(has_syn);
	}
	ASSERT_TRUE(answer) << w.wire.log();
	EXPECT_EQ(answer->ack, syn.seq + 1) << "bytes were taken before the header was judged";
	EXPECT_FALSE(polls_readable(listener.fd(), 200ms)) << "a connection without a header";
	Segment rest = client.piece(0, bytes);
	rest.ack = answer->seq + 1;
	for (int i = 0; i < 4 && !polls_readable(listener.fd(), 300ms); i++)
		client.send(rest);
	ASSERT_TRUE(polls_readable(listener.fd(), scaled(1s))) << w.wire.log();
	Accepted a = accept_from(listener);
	set_timeout(a.socket.fd(), 1s);
	EXPECT_EQ(a.address.text(), w.origin());
	EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello") << w.wire.log();
	Segment end = client.piece(bytes.size(), {});
	end.flags = flag::rst;
	client.send(end);
}

TEST_P(HandshakeFallback, fast_open_with_a_header_in_the_syn)
{
	for (const char *engine : { "auto", "translate" })
		raw(with_engine(engine), [](RawWorld &w) { bytes_in_the_syn(w, w.header(2)); });
}

TEST_P(HandshakeFallback, fast_open_with_half_a_header_in_the_syn)
{
	for (const char *engine : { "auto", "translate" })
		raw(with_engine(engine),
		    [](RawWorld &w) { bytes_in_the_syn(w, w.header(2).substr(0, 20)); });
}

TEST_P(HandshakeFallback, fast_open_without_a_header_in_the_syn)
{
	for (const char *engine : { "auto", "translate" }) {
		raw(with_engine(engine), [](RawWorld &w) { bytes_in_the_syn(w, ""); });
		raw(with_engine(engine), [](RawWorld &w) { bytes_in_the_syn(w, "GET /"); });
	}
}

/* ---- settings of the host ------------------------------------------------------------ */

TEST_P(HandshakeFallback, without_syn_cookies_handshake_is_refused_and_auto_translates)
{
	raw({ .start_agent = false }, [](RawWorld &w) {
		set_sysctl("net.ipv4.tcp_syncookies", "0");
		Finished refused =
			run({ build_path("truepeer"), "run", "--engine", "handshake", "--cgroup",
			      w.box.cgroup(), "--pin-dir", w.box.dir() + "/bpf/refused", "--listen",
			      w.service.text(), "--trust", w.wire.clients(w.ipv6) },
			    {}, 10s);
		EXPECT_EQ(refused.code, 1) << refused.out;
		EXPECT_NE(refused.err.find("tcp_syncookies"), std::string::npos) << refused.err;
		EXPECT_EQ(refused.out, "");
		w.start_agent("auto");
		w.expect_served("translate");
	});
}

} // namespace live

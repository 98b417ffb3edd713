// SPDX-License-Identifier: BSD-2-Clause
/* The sender engine: every way in which a proxy on this host may send its header. */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include <algorithm>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/live.h"
#include "support/thread.h"

namespace live
{

class Sender : public Live
{
protected:
	/* `send` sends header and payload; the server must see the origin and the payload. */
	void expect_served(const std::string &payload,
			   const std::function<void(World &, int fd)> &send)
	{
		live([&](World &w) {
			Client client = w.connect();

			ASSERT_EQ(client.error(), 0);
			EXPECT_EQ(w.agent->entries("tp_sending"), 1u);
			send(w, client.fd());
			Session session = w.server->wait_bytes(0, payload.size());
			EXPECT_EQ(session.accepted.text(), w.origin());
			EXPECT_TRUE(session.bytes == payload) << session.bytes.size() << " bytes";
			/* and native again */
			EXPECT_TRUE(eventually([&] { return !w.agent->entries("tp_sending"); }));
			ASSERT_TRUE(client.send("more"));
			EXPECT_TRUE(w.server->wait_bytes(0, payload.size() + 4).bytes ==
				    payload + "more");
		});
	}
};

static testing::internal::ParamGenerator<Case> sender_cases()
{
	std::vector<Case> all = cases({ ServerKind::blocking });

	std::erase_if(all, [](const Case &c) { return c.engine != "sender"; });
	return testing::ValuesIn(all);
}

INSTANTIATE_TEST_SUITE_P(Live, Sender, sender_cases(), case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Sender);

static std::string pattern(size_t size)
{
	std::string bytes(size, '\0');

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * i >> 7);
	return bytes;
}

static void send_all(int fd, std::string_view bytes, int flags = 0)
{
	while (!bytes.empty()) {
		ssize_t n = ::send(fd, bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			pollfd ready = { fd, POLLOUT, 0 };

			poll(&ready, 1, 1000);
			continue;
		}
		ASSERT_GT(n, 0) << errno;
		bytes.remove_prefix((size_t)n);
	}
}

TEST_P(Sender, large_message_arrives_whole)
{
	std::string payload = pattern(3 << 20);

	expect_served(payload, [&](World &w, int fd) { send_all(fd, w.header(1) + payload); });
}

TEST_P(Sender, large_message_without_blocking_arrives_whole)
{
	std::string payload = pattern(3 << 20);

	expect_served(payload, [&](World &w, int fd) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		send_all(fd, w.header(2) + payload);
		fcntl(fd, F_SETFL, 0);
	});
}

TEST_P(Sender, header_with_msg_more_is_taken_out)
{
	expect_served("hello", [](World &w, int fd) {
		send_all(fd, w.header(2), MSG_MORE);
		send_all(fd, "hello");
	});
}

TEST_P(Sender, header_in_parts_with_msg_more_is_taken_out)
{
	expect_served("hello", [](World &w, int fd) {
		send_all(fd, w.header(1).substr(0, 9), MSG_MORE);
		send_all(fd, w.header(1).substr(9) + "hel", MSG_MORE);
		send_all(fd, "lo");
	});
}

TEST_P(Sender, header_across_a_vector_is_taken_out)
{
	expect_served("hello world", [](World &w, int fd) {
		std::string header = w.header(2), a = "hello ", b = "world";
		iovec parts[] = {
			{ header.data(), 5 },
			{ header.data() + 5, header.size() - 5 },
			{ a.data(), a.size() },
			{ b.data(), b.size() },
		};

		EXPECT_EQ(writev(fd, parts, 4), (ssize_t)(header.size() + 11));
	});
}

/* The header is at the file's start, or the file is what comes behind it. */
TEST_P(Sender, sendfile_with_or_behind_the_header_arrives_whole)
{
	std::string payload = pattern(100'000);

	for (bool in_file : { true, false })
		expect_served(payload, [&](World &w, int fd) {
			Socket file(memfd_create("content", MFD_CLOEXEC));
			std::string content = (in_file ? w.header(2) : "") + payload;
			off_t at = 0;

			if (!in_file)
				send_all(fd, w.header(2), MSG_MORE);
			ASSERT_EQ(write(file.fd(), content.data(), content.size()),
				  (ssize_t)content.size());
			while ((size_t)at < content.size())
				ASSERT_GT(
					::sendfile(fd, file.fd(), &at, content.size() - (size_t)at),
					0);
		});
}

TEST_P(Sender, header_by_splice_is_taken_out)
{
	expect_served("hello", [](World &w, int fd) {
		std::string bytes = w.header(2) + "hello";
		int ends[2];

		ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
		Socket out(ends[0]), in(ends[1]);
		ASSERT_EQ(write(in.fd(), bytes.data(), bytes.size()), (ssize_t)bytes.size());
		EXPECT_EQ(::splice(out.fd(), nullptr, fd, nullptr, bytes.size(), 0),
			  (ssize_t)bytes.size());
	});
}

TEST_P(Sender, header_of_4096_bytes_is_taken_out)
{
	live([](World &w) {
		V2 h;

		h.source = w.origin_host;
		h.destination = w.destination_host;
		h.source_port = 4242;
		h.destination_port = 443;
		h.tlvs = { { 0x04, std::string(4096 - (w.c.ipv6 ? 52 : 28) - 3, 'x') } };
		Client client = w.connect();
		ASSERT_EQ(h.bytes().size(), 4096u);
		ASSERT_TRUE(client.send(h.bytes() + "hello"));
		w.expect_session(0, w.origin(), "hello");
	});
}

/* M18: Nothing is sent then; without the agent's help it would take a SYN-ACK's second. */
TEST_P(Sender, server_speaks_right_after_a_header_that_came_alone)
{
	live({ .server = { .banner = "220 ready\r\n" } }, [](World &w) {
		Ms fastest = 10s;

		for (size_t i = 0; i < 5; i++) {
			Client client = w.connect();

			std::this_thread::sleep_for(50ms);
			Clock::time_point start = Clock::now();
			ASSERT_TRUE(client.send(w.header(2)));
			EXPECT_EQ(client.receive(11).bytes, "220 ready\r\n");
			fastest = std::min(fastest, since(start));
			w.expect_session(i, w.origin(), "");
		}
		EXPECT_LT(fastest, 700ms);
	});
}

/* M18 */
TEST_P(Sender, header_alone_is_served_without_an_agent)
{
	live({ .server = { .banner = "220 ready\r\n" }, .check_totals = false }, [](World &w) {
		Client client = w.connect();

		w.agent->process().signal(SIGSTOP);
		ASSERT_TRUE(client.send(w.header(2)));
		EXPECT_EQ(client.receive(11).bytes, "220 ready\r\n");
		w.expect_session(0, w.origin(), "");
		w.agent->process().signal(SIGCONT);
	});
}

TEST_P(Sender, refused_header_fails_the_send)
{
	live([](World &w) {
		Client client = w.connect();
		const std::string bad = "PROXY TCP4 nonsense\r\n";

		EXPECT_EQ(::send(client.fd(), bad.data(), bad.size(), MSG_NOSIGNAL), -1);
		EXPECT_EQ(errno, EACCES);
		w.expect_refused(client, "bad_v1");
		client.close();
		EXPECT_TRUE(eventually([&] { return !w.agent->entries("tp_sending"); }));
	});
}

/* What may become a header is held back for as long as a header may take. */
TEST_P(Sender, part_of_an_optional_header_is_refused_in_time)
{
	live({ .agent = { "--header", "use", "--header-timeout", "3" } }, [](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send("PROXY"));
		w.expect_refused(client, "timeout", 6s);
	});
}

TEST_P(Sender, bytes_that_only_began_like_an_optional_header_are_payload)
{
	live({ .agent = { "--header", "use" } }, [](World &w) {
		Client client = w.connect();

		ASSERT_TRUE(client.send(std::vector<std::string>{ "PROX", "IMITY\r\n" }));
		w.expect_session(0, name_of(client.fd()).text(), "PROXIMITY\r\n");
	});
}

/* As when its agent ends without a successor: the header arrives, and the translate engine has it. */
TEST_P(Sender, socket_that_left_the_map_is_served_by_translate)
{
	live({ .check_events = false }, [](World &w) {
		Client client = w.connect();
		Socket map(bpf_obj_get((w.agent->pin_dir() + "/tp_sending").c_str()));
		uint64_t cookie = cookie_of(client.fd());

		ASSERT_EQ(bpf_map_delete_elem(map.fd(), &cookie), 0);
		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		w.expect_session(0, w.origin(), "hello");
		EXPECT_EQ(w.agent->events()[0].value("engine", ""), "translate");
	});
}

/* ---- MSG_ZEROCOPY ------------------------------------------------------------------ */

static void send_blocks(int fd, const std::string &bytes, size_t blocks)
{
	size_t size = bytes.size() / blocks;

	set_option(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
	for (size_t i = 0; i < blocks; i++)
		ASSERT_EQ(::send(fd, bytes.data() + i * size, size, MSG_ZEROCOPY), (ssize_t)size);
	EXPECT_EQ(completed_sends(fd), blocks);
}

TEST_P(Sender, zerocopy_behind_the_header_completes_exactly)
{
	std::string payload = pattern(16 * 32768);

	expect_served("hello" + payload, [&](World &w, int fd) {
		send_all(fd, w.header(2) + "hello");
		send_blocks(fd, payload, 16);
	});
}

/* The header came alone, so that no segment has taken the socket out of the map. */
TEST_P(Sender, zerocopy_behind_a_header_that_came_alone_completes_exactly)
{
	std::string payload = pattern(16 * 32768);

	expect_served(payload, [&](World &w, int fd) {
		send_all(fd, w.header(2));
		EXPECT_TRUE(eventually([&] { return !w.agent->entries("tp_sending"); }));
		send_blocks(fd, payload, 16);
	});
}

TEST_P(Sender, zerocopy_header_completes_once)
{
	std::string payload = pattern(8000);

	expect_served(payload, [&](World &w, int fd) {
		std::string bytes = w.header(2) + payload;

		set_option(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
		ASSERT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_ZEROCOPY),
			  (ssize_t)bytes.size());
		EXPECT_EQ(completed_sends(fd), 1u);
	});
}

/* ---- listeners and places ------------------------------------------------------------ */

TEST_P(Sender, multipath_listener_is_served)
{
	live({ .start_server = false }, [](World &w) {
		Socket listener(
			socket(w.service.family(), SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP));

		if (!listener)
			GTEST_SKIP() << "this kernel has no MPTCP";
		ASSERT_EQ(bind(listener.fd(), (const sockaddr *)&w.service.storage, w.service.size),
			  0);
		ASSERT_EQ(::listen(listener.fd(), 8), 0);
		set_timeout(listener.fd(), 5s);
		for (int i = 0; i < 10; i++) {
			Client client = w.connect();

			ASSERT_TRUE(client.send(w.header(2) + "hello"));
			Accepted server = accept_from(listener);
			ASSERT_TRUE(server.socket);
			EXPECT_EQ(server.address.text(), w.origin());
			EXPECT_EQ(peer_of(server.socket.fd()).text(), w.origin());
			EXPECT_EQ(receive_exactly(server.socket.fd(), 5), "hello");
			EXPECT_EQ(send(server.socket.fd(), "yes", 3, 0), 3);
			EXPECT_EQ(client.receive(3).bytes, "yes");
		}
	});
}

/* A proxy in another network namespace of this host, behind veth. */
TEST_P(Sender, proxy_in_another_network_namespace_is_served)
{
	live({ .listen = GetParam().ipv6 ? "fd77::1" : "10.77.0.1", .start_server = false },
	     [](World &w) {
		     const char *own = w.c.ipv6 ? "fd77::1" : "10.77.0.1";
		     std::string bits = w.c.ipv6 ? "/64" : "/24";
		     Netns proxy;
		     auto ip = [](const std::string &text, int netns = -1) {
			     Finished f = run({ "sh", "-c", "ip " + text }, { .netns = netns });

			     ASSERT_EQ(f.code, 0) << f.err;
		     };

		     ip("link add tp1 type veth peer name tp2");
		     ip("link set tp2 netns " + proxy.path());
		     ip("addr add " + std::string(own) + bits + " dev tp1 nodad || true");
		     ip("link set tp1 up");
		     ip("addr add " + std::string(w.c.ipv6 ? "fd77::2" : "10.77.0.2") + bits +
				" dev tp2",
			proxy.fd());
		     ip("link set tp2 up", proxy.fd());
		     Agent second(w.box, { .engine = "sender",
					   .listen = { endpoint(own, 8081).text() },
					   .trust = { w.c.ipv6 ? "fd77::/64" : "10.77.0.0/24" },
					   .pin_dir = w.box.pin_dir() + "2" });
		     std::unique_ptr<Server> server;
		     ASSERT_TRUE(eventually([&] {
			     try {
				     server = std::make_unique<Server>(
					     endpoint(own, 8081), ServerOptions{ .banner = "hi" });
			     } catch (const std::exception &) { /* duplicate address detection */
			     }
			     return server != nullptr;
		     }));
		     Thread inside([&] {
			     ASSERT_EQ(setns(proxy.fd(), CLONE_NEWNET), 0);
			     ASSERT_TRUE(eventually([&] {
				     return Client(endpoint(own, 9), {}, 200ms).error() ==
					    ECONNREFUSED;
			     }));
			     for (const char *more : { "hello", "" }) {
				     Client client(endpoint(own, 8081));

				     ASSERT_EQ(client.error(), 0);
				     ASSERT_TRUE(client.send(w.header(2) + more));
				     EXPECT_EQ(client.receive(2).bytes, "hi");
			     }
		     });
		     inside.join();
		     ASSERT_TRUE(server->wait_accepted(2));
		     for (const Session &session : server->sessions())
			     EXPECT_EQ(session.accepted.text(), w.origin());
		     for (const nlohmann::json &event : second.events())
			     EXPECT_EQ(event.value("engine", ""), "sender") << event.dump();
		     EXPECT_TRUE(second.counts("accepted_v2_proxy", 2));
		     server->stop();
		     EXPECT_EQ(second.stop(), 0);
	     });
}

} // namespace live

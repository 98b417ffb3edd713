// SPDX-License-Identifier: BSD-2-Clause
/* getsockopt(SOL_TRUEPEER): what it says of the caller's own connections, and only of those. */
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>

#include <truepeer/sockopt.h>
#include <truepeer/truepeer.h>

#include "support/live.h"
#include "support/sockopt.h"

namespace live
{

class GetSockOpt : public Live
{
protected:
	static WorldOptions answering(std::vector<std::string> more = {})
	{
		more.push_back("--getsockopt");
		return { .agent = std::move(more), .start_server = false };
	}

	/* What the library says, for whom it may open the maps. */
	static std::string library_says(const World &w, int fd)
	{
		truepeer_handle *handle = nullptr;
		truepeer_peer peer = {};

		peer.size = sizeof(peer);
		EXPECT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
		EXPECT_EQ(truepeer_lookup_fd(handle, fd, &peer), TRUEPEER_OK);
		truepeer_close(handle);
		return std::string((const char *)&peer, sizeof(peer));
	}

	/* Of exactly this size, no two parts of it alike. */
	static std::string header_of(const World &w, size_t size)
	{
		size_t fixed = 16 + (w.c.ipv6 ? 36 : 12) + 3;
		V2 h;

		h.source = w.origin_host;
		h.source_port = 4242;
		h.destination = w.destination_host;
		h.tlvs = { { 0xe1, std::string(size - fixed, '\0') } };
		for (size_t i = 0; i < size - fixed; i++)
			h.tlvs[0].value[i] = (char)(i * 31 + i / 251 + i / 1920 * 7);
		EXPECT_EQ(h.bytes().size(), size);
		return h.bytes();
	}

	/* A connection with this header. */
	static Accepted serve(World &w, const Socket &listener, Client &client,
			      const std::string &header)
	{
		client = w.connect();
		EXPECT_TRUE(client.send(header + "hello"));
		Accepted a = accept_from(listener);
		EXPECT_TRUE(a.socket);
		return a;
	}
};
INSTANTIATE_TEST_SUITE_P(Live, GetSockOpt, testing::ValuesIn(cases({ ServerKind::blocking })),
			 case_name);

TEST_P(GetSockOpt, tells_origin_destination_and_all_that_the_library_knows)
{
	live(answering(), [](World &w) {
		Socket listener = listen_on(w.service);

		for (int version : { 1, 2 }) {
			Client client;
			Accepted a = serve(w, listener, client, w.header(version));
			int fd = a.socket.fd();
			socklen_t size = w.c.ipv6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);

			Answer origin = ask(fd, TRUEPEER_ORIGIN);
			EXPECT_EQ(origin.address(), w.origin());
			EXPECT_EQ(origin.size, size);
			EXPECT_EQ(ask(fd, TRUEPEER_DESTINATION).address(),
				  endpoint(w.destination_host, 443).text());
			EXPECT_EQ(ask(fd, TRUEPEER_INFO).bytes, library_says(w, fd));
			EXPECT_EQ(ask(fd, TRUEPEER_HEADER).error, ENODATA);
			/* and the data goes on as if nothing had been asked */
			EXPECT_EQ(receive_exactly(fd, 5), "hello");
		}
	});
}

TEST_P(GetSockOpt, gives_the_header_whole_and_in_parts)
{
	live(answering({ "--max-header", "16384" }), [](World &w) {
		Socket listener = listen_on(w.service);

		for (size_t size : { 100, 240, 241, 1023, 1024, 1025, 1920, 1921, 3999, 4096 }) {
			Client client;
			std::string header = header_of(w, size);
			Accepted a = serve(w, listener, client, header);

			SCOPED_TRACE(size);
			EXPECT_TRUE(ask(a.socket.fd(), TRUEPEER_HEADER).bytes == header);
			EXPECT_TRUE(ask(a.socket.fd(), TRUEPEER_HEADER, 65536).bytes == header);
			EXPECT_TRUE(ask(a.socket.fd(), TRUEPEER_HEADER, (socklen_t)size).bytes ==
				    header);
			EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_HEADER, (socklen_t)size - 1).error,
				  ERANGE);
			EXPECT_TRUE(in_parts(a.socket.fd()) == header);
		}
		for (size_t size : { 4097, 5090, 16384 }) {
			Client client;
			std::string header = header_of(w, size);
			Accepted a = serve(w, listener, client, header);

			SCOPED_TRACE(size);
			EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_HEADER, 16384).error, EMSGSIZE);
			EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_HEADER, 4096).error, ERANGE);
			EXPECT_EQ(needed(a.socket.fd(), TRUEPEER_HEADER), (int)size);
			EXPECT_TRUE(in_parts(a.socket.fd()) == header);
		}
	});
}

TEST_P(GetSockOpt, gives_unix_addresses)
{
	live(answering(), [](World &w) {
		Socket listener = listen_on(w.service);
		Client client;
		V2 h;

		h.source = "/run/client";
		h.destination = "/" + std::string(107, 'd'); /* as long as one may be */
		for (size_t more : { 0, 300 }) {             /* kept in one entry, and in parts */
			if (more)
				h.tlvs = { { 0xe1, std::string(more, 'm') } };
			Accepted a = serve(w, listener, client, h.bytes());
			Answer origin = ask(a.socket.fd(), TRUEPEER_ORIGIN);
			Answer destination = ask(a.socket.fd(), TRUEPEER_DESTINATION);

			ASSERT_EQ(origin.bytes.size(), sizeof(sockaddr_un));
			EXPECT_EQ(((const sockaddr_un *)origin.bytes.data())->sun_family, AF_UNIX);
			EXPECT_STREQ(origin.bytes.c_str() + 2, "/run/client");
			EXPECT_EQ(destination.bytes.substr(2), h.destination);
			EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_INFO).bytes,
				  library_says(w, a.socket.fd()));
		}
	});
}

TEST_P(GetSockOpt, tells_the_size_and_refuses_a_smaller_buffer)
{
	live(answering(), [](World &w) {
		Socket listener = listen_on(w.service);
		Client client;
		std::string header = header_of(w, 200);
		Accepted a = serve(w, listener, client, header);
		int fd = a.socket.fd(), address = w.c.ipv6 ? 28 : 16;
		struct {
			int name, size;
		} answers[] = { { TRUEPEER_ORIGIN, address },
				{ TRUEPEER_DESTINATION, address },
				{ TRUEPEER_HEADER, 200 },
				{ TRUEPEER_HEADER_PART(0), 200 },
				{ TRUEPEER_INFO, TRUEPEER_INFO_SIZE } };

		static_assert(sizeof(truepeer_peer) == TRUEPEER_INFO_SIZE);
		for (const auto &[name, size] : answers) {
			SCOPED_TRACE(name);
			EXPECT_EQ(needed(fd, name), size);
			/* ask() sees to it that nothing is written behind the answer */
			for (int room : { size, size + 1, 4095, 4096, 4097, 70000 })
				EXPECT_EQ((int)ask(fd, name, (socklen_t)room).size, size) << room;
			for (int room : { 1, size / 2, size - 1 })
				EXPECT_EQ(ask(fd, name, (socklen_t)room).error, ERANGE) << room;
			socklen_t room = (socklen_t)size;
			EXPECT_EQ(getsockopt(fd, SOL_TRUEPEER, name, (void *)8, &room), -1);
			EXPECT_EQ(errno, EFAULT);
		}
	});
}

TEST_P(GetSockOpt, errors_tell_apart_what_there_is_not)
{
	live(answering(), [](World &w) {
		Socket listener = listen_on(w.service);
		Client client;
		Accepted a = serve(w, listener, client, w.header(2));
		Socket udp(socket(w.service.family(), SOCK_DGRAM, 0)),
			local(socket(AF_UNIX, SOCK_STREAM, 0)),
			fresh(socket(w.service.family(), SOCK_STREAM, 0));

		for (int name : { TRUEPEER_ORIGIN, TRUEPEER_DESTINATION, TRUEPEER_HEADER,
				  TRUEPEER_INFO, TRUEPEER_HEADER_PART(1) })
			for (int fd :
			     { listener.fd(), client.fd(), udp.fd(), local.fd(), fresh.fd() })
				EXPECT_EQ(ask(fd, name).error, ENOTCONN) << name;
		for (int name : { 0, 5, -1, 0xff, TRUEPEER_HEADER_PART(16) })
			for (int fd : { a.socket.fd(), udp.fd() })
				EXPECT_EQ(ask(fd, name).error, ENOPROTOOPT) << name;
		for (int name :
		     { TRUEPEER_HEADER, TRUEPEER_HEADER_PART(0), TRUEPEER_HEADER_PART(15) })
			EXPECT_EQ(ask(a.socket.fd(), name).error, ENODATA) << name;
		client.reset();
		EXPECT_TRUE(eventually(
			[&] { return ask(a.socket.fd(), TRUEPEER_ORIGIN).error == ENOTCONN; }));
	});
}

TEST_P(GetSockOpt, leaves_the_kernels_error_where_nobody_answers)
{
	live({ .start_server = false }, [](World &w) {
		Socket listener = listen_on(w.service);
		Client client;
		Accepted a = serve(w, listener, client, w.header(2));

		EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_ORIGIN).error,
			  w.c.ipv6 ? ENOPROTOOPT : EOPNOTSUPP);
	});
}

/* A header without addresses: the connection's own. */
TEST_P(GetSockOpt, gives_the_real_ends_for_a_local_header)
{
	live(answering(), [](World &w) {
		Socket listener = listen_on(w.service);
		Client client;
		V2 h;

		h.command = 0;
		Accepted a = serve(w, listener, client, h.bytes());
		EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_ORIGIN).address(),
			  name_of(client.fd()).text());
		EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_DESTINATION).address(), w.service.text());
	});
}

/* Both programs are asked, each knows its own connections. */
TEST_P(GetSockOpt, answers_for_connections_of_a_killed_agent_and_of_its_successor)
{
	WorldOptions options = answering();

	options.check_totals = false;
	live(options, [](World &w) {
		Socket listener = listen_on(w.service);
		Client client, later;
		Accepted before = serve(w, listener, client, header_of(w, 300));

		w.agent->process().signal(SIGKILL);
		ASSERT_TRUE(w.agent->process().wait(5s));
		EXPECT_EQ(ask(before.socket.fd(), TRUEPEER_ORIGIN).address(), w.origin());
		w.agent =
			std::make_unique<Agent>(w.box, AgentOptions{ .engine = w.c.engine,
								     .listen = { w.service.text() },
								     .more = { "--getsockopt" } });
		Accepted after = serve(w, listener, later, w.header(2, 4343));
		EXPECT_EQ(ask(before.socket.fd(), TRUEPEER_ORIGIN).address(), w.origin());
		EXPECT_TRUE(ask(before.socket.fd(), TRUEPEER_HEADER).bytes == header_of(w, 300));
		EXPECT_EQ(ask(before.socket.fd(), TRUEPEER_ORIGIN, 3).error, ERANGE);
		EXPECT_EQ(ask(after.socket.fd(), TRUEPEER_ORIGIN).address(), w.origin(4343));
		EXPECT_EQ(ask(after.socket.fd(), TRUEPEER_HEADER).error, ENODATA);
		EXPECT_EQ(ask(listener.fd(), TRUEPEER_ORIGIN).error, ENOTCONN);
	});
}

/* What counts is where the socket was made. */
TEST_P(GetSockOpt, answers_sockets_of_one_cgroup_only)
{
	WorldOptions options = { .start_server = false };

	options.check_totals = false;
	live(options, [&](World &w) {
		std::string inner = w.box.cgroup() + "/answered";
		auto enter = [](const std::string &cgroup) {
			std::ofstream(cgroup + "/cgroup.procs") << getpid();
		};

		ASSERT_EQ(mkdir(inner.c_str(), 0755), 0);
		ASSERT_EQ(w.agent->stop(), 0);
		w.agent = std::make_unique<Agent>(
			w.box, AgentOptions{ .engine = w.c.engine,
					     .listen = { w.service.text() },
					     .more = { "--getsockopt=" + inner } });
		{
			Client client;
			Socket outside = listen_on(w.service);
			Accepted a = serve(w, outside, client, w.header(2));

			EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_ORIGIN).error,
				  w.c.ipv6 ? ENOPROTOOPT : EOPNOTSUPP);
			EXPECT_EQ(a.address.text(), w.origin());
		}
		enter(inner);
		Client client;
		Socket inside = listen_on(w.service);
		Accepted a = serve(w, inside, client, w.header(2));
		EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_ORIGIN).address(), w.origin());
		enter(w.box.cgroup());
		client.close();
		a.socket.close();
		EXPECT_EQ(w.agent->stop(), 0);
		EXPECT_EQ(rmdir(inner.c_str()), 0);
		w.agent = std::make_unique<Agent>(
			w.box,
			AgentOptions{ .engine = w.c.engine, .listen = { w.service.text() } });
	});
}

/* ---- Multipath TCP --------------------------------------------------------------- */

TEST_P(GetSockOpt, answers_multipath_sockets)
{
	WorldOptions options = answering();

	/* what neither the handshake nor the sender engine can serve is another engine's */
	options.check_events = false;
	live(options, [](World &w) {
		for (int protocol : { IPPROTO_MPTCP, IPPROTO_TCP }) { /* of the client */
			Socket listener(socket(w.service.family(), SOCK_STREAM | SOCK_CLOEXEC,
					       IPPROTO_MPTCP));
			Socket client(
				socket(w.service.family(), SOCK_STREAM | SOCK_CLOEXEC, protocol));
			std::string bytes = header_of(w, 300) + "hello";

			if (!listener)
				GTEST_SKIP() << "this kernel has no MPTCP";
			set_option(listener.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
			ASSERT_EQ(bind(listener.fd(), (const sockaddr *)&w.service.storage,
				       w.service.size),
				  0);
			ASSERT_EQ(::listen(listener.fd(), 8), 0);
			set_timeout(listener.fd(), 5s);
			set_timeout(client.fd(), 5s);
			ASSERT_EQ(connect(client.fd(), (const sockaddr *)&w.service.storage,
					  w.service.size),
				  0);
			w.connections++;
			ASSERT_EQ(send(client.fd(), bytes.data(), bytes.size(), 0),
				  (ssize_t)bytes.size());
			Accepted a = accept_from(listener);
			ASSERT_TRUE(a.socket);
			EXPECT_EQ(ask(a.socket.fd(), TRUEPEER_ORIGIN).address(), w.origin());
			EXPECT_TRUE(ask(a.socket.fd(), TRUEPEER_HEADER).bytes == header_of(w, 300));
			EXPECT_EQ(ask(listener.fd(), TRUEPEER_ORIGIN).error, ENOTCONN);
			EXPECT_EQ(ask(client.fd(), TRUEPEER_ORIGIN).error, ENOTCONN);
		}
	});
}

} // namespace live

// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the header must leave no trace of: poll, FIONREAD, blocking reads and the
 * other ways to read.  Row M26, and what it needs of the rows around it.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/utsname.h>

#include <thread>

#include "support/live.h"
#include "support/thread.h"

namespace live
{

enum class Order {
	data_with_header,  /* one segment, before accept() */
	data_after_header, /* two segments, before accept() */
	header_alone,      /* before accept(); data later */
	header_in_pieces,  /* before accept(); data later */
};

static const char *order_name(Order order)
{
	static const char *const names[] = { "data_with_header", "data_after_header",
					     "header_alone", "header_in_pieces" };

	return names[(int)order];
}

enum class Waits {
	in_poll, /* the listener is not blocking */
	in_recv,
};

class Readiness : public testing::WithParamInterface<std::tuple<Case, Order, bool>>,
		  public testing::Test
{
protected:
	/* Accepts one connection in the given order of events, with 5 bytes to come. */
	using Body = std::function<void(World &, Client &, Accepted &, bool data_sent)>;

	void with_connection(Waits waits, const Body &body)
	{
		auto [c, order, named] = GetParam();
		auto inside = [&](World &w) {
			Socket listener = listen_on(w.service);
			if (waits == Waits::in_poll)
				fcntl(listener.fd(), F_SETFL, O_NONBLOCK);
			Client client = w.connect();
			std::string header = w.header(2);
			std::vector<std::string> parts = { header };

			if (order == Order::data_with_header)
				parts = { header + "hello" };
			else if (order == Order::data_after_header)
				parts = { header, "hello" };
			else if (order == Order::header_in_pieces)
				parts = cut(header, { 7, 20 });
			ASSERT_TRUE(client.send(parts));
			ASSERT_TRUE(polls_readable(listener.fd(), scaled(5s)));
			std::this_thread::sleep_for(50ms);
			Accepted a;
			if (named) {
				a = accept_from(listener);
				EXPECT_EQ(a.address.text(), w.origin());
			} else {
				a.socket = Socket(
					accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
				ASSERT_TRUE(a.socket);
				set_timeout(a.socket.fd(), 10s);
			}
			body(w, client, a, order <= Order::data_after_header);
		};

		run_world(c, { .start_server = false }, inside);
	}
};

static std::string readiness_name(const testing::TestParamInfo<std::tuple<Case, Order, bool>> &info)
{
	auto [c, order, named] = info.param;

	return c.engine + (c.ipv6 ? "_ipv6_" : "_ipv4_") + order_name(order) +
	       (named ? "_accept_address" : "_accept_null");
}

INSTANTIATE_TEST_SUITE_P(
	Live, Readiness,
	testing::Combine(blocking_cases(),
			 testing::Values(Order::data_with_header, Order::data_after_header,
					 Order::header_alone, Order::header_in_pieces),
			 testing::Bool()),
	readiness_name);

/* The data, where it is already under way, is read first. */
static void read_data(World &, Client &client, int fd, bool sent)
{
	if (!sent) {
		ASSERT_TRUE(client.send("hello"));
	}
	char bytes[16];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
	ASSERT_EQ(n, 5) << (n < 0 ? strerror(errno) : "short");
	EXPECT_EQ(std::string(bytes, 5), "hello");
}

/* M26 */
TEST_P(Readiness, idle_connection_polls_not_readable)
{
	with_connection(Waits::in_poll, [](World &w, Client &client, Accepted &a, bool sent) {
		int fd = a.socket.fd();

		if (!sent) {
			EXPECT_FALSE(polls_readable(fd, 200ms)) << "before the first byte";
			EXPECT_EQ(readable_bytes(fd), 0);
		}
		read_data(w, client, fd, sent);
		EXPECT_FALSE(polls_readable(fd, 200ms)) << "after the first read";
		char byte;
		EXPECT_EQ(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
		EXPECT_EQ(errno, EAGAIN);
		/* a single byte is news again */
		ASSERT_TRUE(client.send("x"));
		EXPECT_TRUE(polls_readable(fd, scaled(1s)));
		EXPECT_EQ(receive_exactly(fd, 1), "x");
		EXPECT_FALSE(polls_readable(fd, 200ms)) << "after the second read";
		client.finish();
		EXPECT_TRUE(polls_readable(fd, scaled(1s))) << "FIN";
		EXPECT_EQ(recv(fd, &byte, 1, 0), 0);
		EXPECT_EQ(peer_of(fd).text(), w.origin());
	});
}

/* M26 */
TEST_P(Readiness, epoll_level_and_edge_report_each_arrival_once)
{
	with_connection(Waits::in_poll, [](World &w, Client &client, Accepted &a, bool sent) {
		for (bool edge : { false, true }) {
			Socket epoll(epoll_create1(EPOLL_CLOEXEC));
			epoll_event event = {};

			event.events = EPOLLIN | (edge ? (uint32_t)EPOLLET : 0);
			ASSERT_EQ(epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, a.socket.fd(), &event), 0);
			if (!sent) {
				EXPECT_EQ(epoll_wait(epoll.fd(), &event, 1, 150), 0);
				ASSERT_TRUE(client.send("hello"));
			}
			EXPECT_EQ(epoll_wait(epoll.fd(), &event, 1, 1000), 1);
			EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "hello");
			EXPECT_EQ(epoll_wait(epoll.fd(), &event, 1, 150), 0);
			sent = false;
		}
		EXPECT_EQ(peer_of(a.socket.fd()).text(), w.origin());
	});
}

/* M8: The reader is asleep in recv() when things arrive. */
TEST_P(Readiness, blocking_recv_sleeps_until_data_comes)
{
	with_connection(Waits::in_recv, [](World &w, Client &client, Accepted &a, bool sent) {
		int fd = a.socket.fd();

		if (sent)
			read_data(w, client, fd, sent);
		Thread writer([&] {
			std::this_thread::sleep_for(300ms);
			client.send("later");
		});
		auto start = Clock::now();
		char bytes[16];
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
		int error = errno;
		writer.join();
		EXPECT_EQ(n, 5) << (n < 0 ? strerror(error) : "");
		EXPECT_GT(since(start), 250ms);
	});
}

/* M26 */
TEST_P(Readiness, fionread_is_the_unread_payload)
{
	with_connection(Waits::in_poll, [](World &, Client &client, Accepted &a, bool sent) {
		int fd = a.socket.fd();

		if (!sent) {
			ASSERT_TRUE(client.send("hello"));
		}
		ASSERT_TRUE(polls_readable(fd, scaled(2s)));
		EXPECT_EQ(readable_bytes(fd), 5);
		char byte;
		ASSERT_EQ(recv(fd, &byte, 1, 0), 1);
		EXPECT_EQ(byte, 'h');
		EXPECT_EQ(readable_bytes(fd), 4);
		EXPECT_EQ(receive_exactly(fd, 4), "ello");
		EXPECT_EQ(readable_bytes(fd), 0);
		ASSERT_TRUE(client.send("1234567"));
		ASSERT_TRUE(polls_readable(fd, scaled(2s)));
		EXPECT_EQ(readable_bytes(fd), 7);
	});
}

/* M26 */
TEST_P(Readiness, peek_waitall_and_recvmmsg_see_the_payload_only)
{
	with_connection(Waits::in_poll, [](World &, Client &client, Accepted &a, bool sent) {
		int fd = a.socket.fd();
		char bytes[16] = {};

		if (!sent) {
			ASSERT_TRUE(client.send("hello"));
		}
		EXPECT_EQ(recv(fd, bytes, 3, MSG_PEEK), 3) << strerror(errno);
		EXPECT_EQ(std::string(bytes, 3), "hel");
		EXPECT_EQ(recv(fd, bytes, 5, MSG_PEEK), 5);
		EXPECT_EQ(receive_exactly(fd, 5), "hello");
		ASSERT_TRUE(client.send("abcd"));
		std::this_thread::sleep_for(50ms);
		iovec part[2] = { { bytes, 2 }, { bytes + 2, 2 } };
		mmsghdr messages[2] = {};
		for (int i = 0; i < 2; i++) {
			messages[i].msg_hdr.msg_iov = &part[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		EXPECT_EQ(recvmmsg(fd, messages, 2, 0, nullptr), 2) << strerror(errno);
		EXPECT_EQ(std::string(bytes, 4), "abcd");
		Thread writer([&] { client.send({ "12", "34", "56" }, 30ms); });
		ssize_t n = recv(fd, bytes, 6, MSG_WAITALL);
		int error = errno;
		writer.join();
		ASSERT_EQ(n, 6) << strerror(error);
		EXPECT_EQ(std::string(bytes, 6), "123456");
	});
}

} // namespace live

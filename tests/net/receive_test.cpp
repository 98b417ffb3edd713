// SPDX-License-Identifier: BSD-2-Clause
/*
 * The less common ways to receive: row M26, with readiness_test.cpp and
 * transfer_test.cpp.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <thread>

#include "support/pair.h"
#include "support/thread.h"
#include "support/uring.h"

namespace live
{

class Receive : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Receive, blocking_cases(), case_name);

/* M26 */
TEST_P(Receive, low_water_mark_of_the_server_is_kept_to)
{
	everywhere(GetParam(), "", [](Pair &p) {
		set_option(p.fd(), SOL_SOCKET, SO_RCVLOWAT, 10);
		EXPECT_FALSE(polls_readable(p.fd(), 100ms)) << "nothing";
		ASSERT_TRUE(p.client.send("hello1234"));
		EXPECT_FALSE(polls_readable(p.fd(), 100ms)) << "9 of 10 bytes";
		ASSERT_TRUE(p.client.send("5"));
		EXPECT_TRUE(polls_readable(p.fd(), scaled(1s)));
		EXPECT_EQ(p.receive(10), "hello12345");
		EXPECT_FALSE(polls_readable(p.fd(), 100ms)) << "nothing left";
		p.client.finish();
		EXPECT_TRUE(polls_readable(p.fd(), scaled(1s))) << "FIN counts whatever the mark";
		EXPECT_EQ(p.receive(1), "");
	});
}

/* M26 */
TEST_P(Receive, blocking_recv_waits_for_the_low_water_mark)
{
	everywhere(GetParam(), "", [](Pair &p) {
		set_option(p.fd(), SOL_SOCKET, SO_RCVLOWAT, 8);
		Thread writer([&] {
			std::this_thread::sleep_for(50ms);
			p.client.send({ "hello", "123" }, 100ms);
		});
		char bytes[32];
		ssize_t n = recv(p.fd(), bytes, sizeof(bytes), 0);
		int error = errno;
		writer.join();
		ASSERT_GT(n, 0) << strerror(error);
		EXPECT_EQ(std::string(bytes, (size_t)n), "hello123");
	});
}

/* M26 */
TEST_P(Receive, dontwait_never_blocks)
{
	everywhere(GetParam(), "hello", [](Pair &p) {
		char bytes[8];

		EXPECT_EQ(recv(p.fd(), bytes, 2, MSG_DONTWAIT), 2);
		EXPECT_EQ(recv(p.fd(), bytes + 2, 6, MSG_DONTWAIT), 3);
		EXPECT_EQ(std::string(bytes, 5), "hello");
		EXPECT_EQ(recv(p.fd(), bytes, 8, MSG_DONTWAIT), -1);
		EXPECT_EQ(errno, EAGAIN);
	});
}

/* M26 */
TEST_P(Receive, trunc_discards)
{
	everywhere(GetParam(), "hello", [](Pair &p) {
		char bytes[8] = "......";

		EXPECT_EQ(recv(p.fd(), bytes, 3, MSG_TRUNC), 3) << strerror(errno);
		EXPECT_EQ(std::string(bytes, 6), "......");
		EXPECT_EQ(p.receive(2), "lo");
	});
}

/* M26 */
TEST_P(Receive, peek_offset_counts_payload_bytes)
{
	everywhere(GetParam(), "hello", [](Pair &p) {
		char bytes[8] = {};
		int zero = 0;

		/* TCP has it from Linux 6.9 on */
		if (setsockopt(p.fd(), SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero))) {
			EXPECT_EQ(errno, EOPNOTSUPP);
		} else {
			EXPECT_EQ(recv(p.fd(), bytes, 2, MSG_PEEK), 2);
			EXPECT_EQ(std::string(bytes, 2), "he");
			EXPECT_EQ(recv(p.fd(), bytes, 8, MSG_PEEK), 3);
			EXPECT_EQ(std::string(bytes, 3), "llo");
			ASSERT_TRUE(p.client.send("!"));
			std::this_thread::sleep_for(30ms);
			EXPECT_EQ(recv(p.fd(), bytes, 8, MSG_PEEK), 1);
			EXPECT_EQ(bytes[0], '!');
			EXPECT_EQ(p.receive(2), "he");
			EXPECT_EQ(p.receive(4), "llo!");
			return;
		}
		EXPECT_EQ(p.receive(5), "hello");
	});
}

/* M26 */
TEST_P(Receive, bytes_in_queue_are_told_with_each_receive)
{
	everywhere(GetParam(), "hello", [](Pair &p) {
		char bytes[2];
		alignas(cmsghdr) char control[64];
		iovec part = { bytes, sizeof(bytes) };
		msghdr message = {};

		message.msg_iov = &part;
		message.msg_iovlen = 1;
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		set_option(p.fd(), IPPROTO_TCP, TCP_INQ, 1);
		ASSERT_EQ(recvmsg(p.fd(), &message, 0), 2) << strerror(errno);
		cmsghdr *told = CMSG_FIRSTHDR(&message);
		ASSERT_NE(told, nullptr);
		EXPECT_EQ(told->cmsg_type, TCP_INQ);
		int left;
		memcpy(&left, CMSG_DATA(told), sizeof(left));
		EXPECT_EQ(left, 3);
		EXPECT_EQ(p.receive(3), "llo");
	});
}

/* M26 */
TEST_P(Receive, io_uring_gets_the_payload)
{
	everywhere(GetParam(), "hello", [](Pair &p) {
		Uring ring;

		ring.receive(p.fd(), 64);
		EXPECT_EQ(ring.result(2s), "hello");
		ring.receive(p.fd(), 64);
		EXPECT_EQ(ring.result(100ms), std::nullopt) << "there is nothing to receive";
		ASSERT_TRUE(p.client.send("later"));
		EXPECT_EQ(ring.result(2s), "later");
		p.client.finish();
		ring.receive(p.fd(), 64);
		EXPECT_EQ(ring.result(2s), "");
	});
}

/* M26: The request waits on a connection that has not carried payload yet. */
TEST_P(Receive, io_uring_waits_for_the_first_byte)
{
	everywhere(GetParam(), "", [](Pair &p) {
		Uring ring;

		ring.receive(p.fd(), 64);
		EXPECT_EQ(ring.result(100ms), std::nullopt);
		ASSERT_TRUE(p.client.send("first"));
		EXPECT_EQ(ring.result(2s), "first");
	});
}

} // namespace live

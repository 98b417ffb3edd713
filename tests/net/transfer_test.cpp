// SPDX-License-Identifier: BSD-2-Clause
/* Bytes that the kernel moves by itself: splice, sendfile, MSG_ZEROCOPY.  Row M26. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <thread>

#include "support/pair.h"
#include "support/thread.h"

namespace live
{

class Transfer : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Transfer, blocking_cases(), case_name);

/* ---- to a pipe ---------------------------------------------------------------- */

/* What splice() gives of `size` bytes, through a pipe. */
static std::string splice_exactly(int fd, size_t size)
{
	int ends[2];
	std::string got;
	char bytes[65536];

	EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
	Socket in(ends[0]), out(ends[1]);
	while (got.size() < size) {
		size_t most = std::min(size - got.size(), sizeof(bytes));
		ssize_t n = splice(fd, nullptr, out.fd(), nullptr, most, 0);

		if (n <= 0 || (n = read(in.fd(), bytes, (size_t)n)) <= 0)
			break;
		got.append(bytes, (size_t)n);
	}
	return got;
}

/* M26 */
TEST_P(Transfer, splice_to_a_pipe_gets_the_payload)
{
	everywhere(GetParam(), "hello", [](Pair &p) {
		std::string sent(1 << 20, '\0');

		for (size_t i = 0; i < sent.size(); i++)
			sent[i] = (char)(i * i >> 7);
		Thread writer([&] { p.client.send(sent); });
		EXPECT_EQ(splice_exactly(p.fd(), 5), "hello");
		EXPECT_TRUE(splice_exactly(p.fd(), sent.size()) == sent);
		p.client.reset();
		writer.join();
	});
}

/*
 * M26: No call of the server comes before it that could have taken the header out, where it is
 * still in the receive queue then.
 */
TEST_P(Transfer, splice_first_after_accept_gets_the_payload)
{
	live({ .start_server = false }, [&](World &w) {
		Socket listener = listen_on(w.service);
		Client client = w.connect();

		ASSERT_TRUE(client.send(w.header(1) + "hello"));
		ASSERT_TRUE(polls_readable(listener.fd(), scaled(2s)));
		std::this_thread::sleep_for(50ms);
		Socket server(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
		ASSERT_TRUE(server);
		set_timeout(server.fd(), 3s);
		fcntl(server.fd(), F_SETFL, O_NONBLOCK);
		EXPECT_EQ(splice_exactly(server.fd(), 5), "hello");
	});
}

/* ---- sending ---------------------------------------------------------------- */

/* M26 */
TEST_P(Transfer, sendfile_to_the_client_arrives_whole)
{
	everywhere(GetParam(), "", [](Pair &p) {
		std::string content(1 << 20, '\0');
		Socket file(memfd_create("content", MFD_CLOEXEC));

		for (size_t i = 0; i < content.size(); i++)
			content[i] = (char)(i * i >> 9);
		ASSERT_EQ(write(file.fd(), content.data(), content.size()),
			  (ssize_t)content.size());
		Thread sender([&] {
			off_t at = 0;

			while (sendfile(p.fd(), file.fd(), &at, content.size() - (size_t)at) > 0)
				;
		});
		Received got = p.client.receive(content.size());
		sender.join();
		EXPECT_TRUE(got.bytes == content) << got.bytes.size();
	});
}

/* M26 */
TEST_P(Transfer, zerocopy_send_arrives_whole)
{
	everywhere(GetParam(), "", [](Pair &p) {
		std::vector<std::string> blocks;
		std::string all;

		set_option(p.fd(), SOL_SOCKET, SO_ZEROCOPY, 1);
		for (char c = 'a'; c < 'a' + 16; c++)
			blocks.emplace_back(32768, c);
		for (const std::string &block : blocks)
			all += block;
		Thread sender([&] {
			for (const std::string &block : blocks)
				send(p.fd(), block.data(), block.size(), MSG_ZEROCOPY);
		});
		Received got = p.client.receive(all.size());
		sender.join();
		EXPECT_TRUE(got.bytes == all) << got.bytes.size();
		EXPECT_EQ(completed_sends(p.fd()), blocks.size());
	});
}

static int unsent_bytes(int fd, unsigned long request)
{
	int bytes = -1;

	EXPECT_EQ(ioctl(fd, request, &bytes), 0);
	return bytes;
}

/* M26 */
TEST_P(Transfer, bytes_in_the_send_queue_are_counted)
{
	everywhere(GetParam(), "hello", [](Pair &p) {
		std::string block(65536, 'x');
		size_t sent = 0;

		EXPECT_EQ(unsent_bytes(p.fd(), SIOCOUTQ), 0);
		for (ssize_t n; (n = send(p.fd(), block.data(), block.size(), MSG_DONTWAIT)) > 0;)
			sent += (size_t)n;
		EXPECT_GT(unsent_bytes(p.fd(), SIOCOUTQNSD), 0);
		EXPECT_LT((size_t)unsent_bytes(p.fd(), SIOCOUTQ), sent);
		EXPECT_EQ(p.client.receive(sent).bytes.size(), sent);
		EXPECT_TRUE(eventually([&] { return unsent_bytes(p.fd(), SIOCOUTQ) == 0; }));
		EXPECT_EQ(p.receive(5), "hello");
	});
}

} // namespace live

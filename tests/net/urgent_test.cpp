// SPDX-License-Identifier: BSD-2-Clause
/* Urgent data right behind the header: row M27. */
#include <sys/ioctl.h>

#include <thread>

#include "support/live.h"

namespace live
{

/* In how many segments header and urgent byte come. */
enum class Way {
	one_segment,
	two_segments,
	after_accept,
};

static constexpr const char *way_names[] = { "one segment", "two segments", "after accept()" };

class Urgent : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Urgent, blocking_cases(), case_name);

static std::string at_mark(int fd)
{
	int yes = -1;

	ioctl(fd, SIOCATMARK, &yes);
	return std::to_string(yes);
}

static std::string take(int fd, int flags)
{
	char bytes[64];
	ssize_t n = recv(fd, bytes, sizeof(bytes), flags);

	return n < 0 ? "error " + std::to_string(errno) : std::string(bytes, (size_t)n);
}

using Story = std::vector<std::string>;

/* What a server sees of urgent "!" and "rest", step by step. */
static Story receive_urgent(int fd, bool in_line)
{
	Story story;

	story.push_back("mark " + at_mark(fd));
	story.push_back(take(fd, MSG_OOB));
	story.push_back(take(fd, 0));
	if (story.back() == "!") /* "rest" was not there yet */
		story.back() += take(fd, 0);
	story.push_back("mark " + at_mark(fd));
	if (!in_line)
		story.push_back(take(fd, MSG_OOB)); /* a second time */
	return story;
}

static Story tell(const World &w, const Endpoint &to, const std::string &header, Way way,
		  bool in_line)
{
	Socket listener = listen_on(to);

	if (in_line)
		set_option(listener.fd(), SOL_SOCKET, SO_OOBINLINE, 1); /* children inherit it */
	Client client(to, w.proxy);
	auto send_urgent = [&](const std::string &bytes) {
		EXPECT_EQ(send(client.fd(), bytes.data(), bytes.size(), MSG_OOB | MSG_NOSIGNAL),
			  (ssize_t)bytes.size());
		std::this_thread::sleep_for(30ms);
	};

	if (way == Way::one_segment) {
		send_urgent(header + "!");
	} else if (!header.empty()) {
		client.send(header);
		std::this_thread::sleep_for(30ms);
	}
	if (way == Way::two_segments)
		send_urgent("!");
	Accepted a = accept_from(listener);
	set_timeout(a.socket.fd(), 2s);
	if (way == Way::after_accept)
		send_urgent("!");
	client.send("rest");
	std::this_thread::sleep_for(30ms);
	Story story = receive_urgent(a.socket.fd(), in_line);
	client.finish();
	story.push_back("then " + take(a.socket.fd(), 0));
	return story;
}

static void expect_as_on_plain_tcp(World &w, bool in_line, const Story &expected)
{
	Endpoint other = endpoint(w.service.host(), 8081);

	for (Way way : { Way::one_segment, Way::two_segments, Way::after_accept }) {
		SCOPED_TRACE(way_names[(int)way]);
		EXPECT_EQ(tell(w, other, "", way, in_line), expected) << "plain TCP";
		for (int version : { 1, 2 }) {
			w.connections++;
			EXPECT_EQ(tell(w, w.service, w.header(version), way, in_line), expected)
				<< "version " << version;
		}
	}
}

static std::string no_urgent_byte()
{
	return "error " + std::to_string(EINVAL);
}

/* M27 */
TEST_P(Urgent, byte_out_of_line_is_as_on_plain_tcp)
{
	live({ .start_server = false }, [](World &w) {
		expect_as_on_plain_tcp(
			w, false, { "mark 1", "!", "rest", "mark 0", no_urgent_byte(), "then " });
	});
}

/* M27 */
TEST_P(Urgent, byte_in_line_is_as_on_plain_tcp)
{
	live({ .start_server = false }, [](World &w) {
		expect_as_on_plain_tcp(w, true,
				       { "mark 1", no_urgent_byte(), "!rest", "mark 0", "then " });
	});
}

} // namespace live

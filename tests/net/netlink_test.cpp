// SPDX-License-Identifier: BSD-2-Clause
/* Tables of the kernel's that change while they are read, and all the time. */
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <atomic>
#include <set>
#include <thread>

#include "agent/watch/followed.h"
#include "agent/watch/rtnetlink.h"

#include "support/live.h"

namespace live
{

TEST(Netlink, a_datagram_that_does_not_fit_is_asked_for_again)
{
	int pair[2];
	std::vector<char> buffer(10);
	std::string sent(1000, 'x');

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	Socket one(pair[0]), two(pair[1]);
	ASSERT_EQ(send(one.fd(), sent.data(), sent.size(), 0), (ssize_t)sent.size());
	auto cut_off = tp::receive_netlink(two.fd(), buffer);
	ASSERT_TRUE(cut_off);
	EXPECT_EQ(*cut_off, 0u);
	ASSERT_EQ(send(one.fd(), sent.data(), sent.size(), 0), (ssize_t)sent.size());
	auto whole = tp::receive_netlink(two.fd(), buffer);
	ASSERT_TRUE(whole);
	EXPECT_EQ(*whole, sent.size());
	EXPECT_EQ(std::string(buffer.data(), *whole), sent);
}

struct Links {
	std::set<std::string> names;
	unsigned begun = 0;
};

static tp::Result<bool> read_links(Links &found)
{
	ifinfomsg request = {};

	return tp::dump(RTM_GETLINK, &request, sizeof(request),
			{ [&] {
				 found.names.clear();
				 found.begun++;
			 },
			  [&](const nlmsghdr *m) {
				  int left = (int)IFLA_PAYLOAD(m);

				  for (auto *a = IFLA_RTA(NLMSG_DATA(m)); RTA_OK(a, left);
				       a = RTA_NEXT(a, left))
					  if (a->rta_type == IFLA_IFNAME)
						  found.names.emplace((const char *)RTA_DATA(a));
			  } });
}

/* What has not changed is there, however much beside it has. */
TEST(Netlink, a_dump_that_is_interrupted_is_read_again)
{
	in_sandbox([](Sandbox &) {
		std::string links, flapping;
		Links before, during;

		for (int i = 0; i < 100; i++)
			links += "link add a" + std::to_string(i) + " type veth peer name b" +
				 std::to_string(i) + "\n";
		for (int i = 0; i < 100; i++)
			flapping += "link add c type veth peer name d\nlink del c\n";
		ASSERT_EQ(run({ "ip", "-batch", "-" }, { .input = links }).code, 0);
		ASSERT_TRUE(read_links(before));
		ASSERT_GE(before.names.size(), 200u);
		std::atomic<bool> end = false;
		unsigned wrong = 0, rounds = 0;
		std::jthread flapper([&] {
			run({ "ip", "-batch", "-" }, { .input = flapping });
			end = true;
		});
		for (; !end; rounds++) {
			auto whole = read_links(during);

			EXPECT_TRUE(whole);
			for (const std::string &one : before.names)
				wrong += whole && *whole && !during.names.contains(one);
		}
		flapper.join();
		EXPECT_EQ(wrong, 0u);
		/* the kernel has told of changes now and then */
		EXPECT_GT(during.begun, rounds);
		auto after = read_links(during);
		EXPECT_TRUE(after && *after);
		EXPECT_EQ(during.names, before.names);
	});
}

/* Reads a table that takes its time. */
class Slow : public tp::Followed
{
public:
	explicit Slow(Ms takes) : takes_(takes)
	{
		events_ = std::move(*tp::open_rtnetlink(0, SOCK_NONBLOCK));
	}
	Clock::duration reading() const { return reading_; }
	unsigned seen() const { return seen_; }

	std::atomic<unsigned> version = 0;

private:
	tp::Result<Progress> read_some(Clock::time_point deadline) override
	{
		Clock::time_point start = Clock::now();

		if (left_ == Ms(0)) {
			left_ = takes_;
			seen_ = version;
		}
		for (; left_ > Ms(0) && Clock::now() < deadline; left_ -= Ms(1))
			std::this_thread::sleep_for(Ms(1));
		reading_ += Clock::now() - start;
		return left_ > Ms(0) ? Progress::more : Progress::end;
	}

	Ms takes_, left_ = Ms(0);
	Clock::duration reading_ = {};
	unsigned seen_ = 0;
};

TEST(Followed, changes_that_never_end_leave_time_for_the_rest)
{
	for (Ms takes : { 1ms, 60ms }) {
		Slow table(takes);
		auto start = Clock::now();

		for (int i = 0; i < 10; i++) { /* ticks, and many changes between two of them */
			for (int j = 0; j < 50; j++) {
				table.version++;
				EXPECT_TRUE(table.handle());
				std::this_thread::sleep_for(4ms);
			}
			EXPECT_TRUE(table.tick());
		}
		auto elapsed = Clock::now() - start;
		EXPECT_LE(table.times_read(), elapsed / 200ms + 2) << takes.count();
		EXPECT_GE(table.times_read(), 1u);
		EXPECT_LT(table.reading(), elapsed / 4) << takes.count();
		/* the last change is seen without another one */
		EXPECT_TRUE(eventually([&] {
			EXPECT_TRUE(table.tick());
			return table.seen() == table.version;
		}));
	}
}

TEST(Followed, a_single_change_is_seen_at_once)
{
	Slow table(1ms);

	table.version++;
	EXPECT_TRUE(table.handle());
	EXPECT_EQ(table.seen(), 1u);
	EXPECT_EQ(table.times_read(), 1u);
}

} // namespace live

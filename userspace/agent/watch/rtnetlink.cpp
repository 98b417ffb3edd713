// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/rtnetlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace tp
{

/* How often a dump is begun again. */
static constexpr unsigned most_dumps = 5;

/*
 * How many notifications are discarded at a time, because there may be more of them all the time.
 */
static constexpr unsigned most_drained = 4096;

Result<Fd> open_rtnetlink(uint32_t groups, int flags)
{
	return open_netlink(NETLINK_ROUTE, groups, flags, 2);
}

/* ENOBUFS means that some were lost. It does not matter which, because everything is read again. */
void drain(int fd)
{
	char buffer[8192];

	for (unsigned i = 0; i < most_drained; i++)
		if (recv(fd, buffer, sizeof(buffer), 0) <= 0 && errno != ENOBUFS && errno != EINTR)
			return;
}

Result<Dump> Dump::start(uint16_t type, const void *body, size_t size)
{
	Dump dump;

	dump.request_ = make_request(type, NLM_F_DUMP, body, size);
	TP_TRY(dump.ask());
	return dump;
}

/* Uses a socket of its own, so that nothing left of the last try gets in. */
Status Dump::ask()
{
	auto *header = (nlmsghdr *)request_.data();

	fd_ = TP_TRY(open_rtnetlink(0, 0));
	asked_ = spoilt_ = false;
	tries_++;
	header->nlmsg_seq = ++sequence_;
	if (send(fd_.get(), header, header->nlmsg_len, 0) < 0)
		return system_error("ask", "rtnetlink");
	return success();
}

/* Returns true if that was the last part. */
Result<bool> Dump::take(const Reader &reader, size_t length)
{
	Result<bool> end = false;

	for_each_message(buffer_, length, [&](const nlmsghdr *m) {
		if (m->nlmsg_seq != sequence_)
			return true;
		spoilt_ |= (m->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (m->nlmsg_type == NLMSG_ERROR) {
			const nlmsgerr *error = header_of<nlmsgerr>(m);

			end = system_error("ask", "rtnetlink", error ? error->error : EBADMSG);
			return false;
		}
		if (m->nlmsg_type == NLMSG_DONE) {
			const int *number = header_of<int>(m); /* why it ends early, if it does */

			end = true;
			if (number && *number < 0)
				end = system_error("read", "rtnetlink", *number);
			return false;
		}
		reader.each(m);
		return true;
	});
	return end;
}

Result<bool> Dump::read(const Reader &reader, Clock::time_point deadline)
{
	do {
		if (!asked_)
			reader.begin();
		asked_ = true;
		size_t got = TP_TRY(receive_netlink(fd_.get(), buffer_));
		if (got == 0)
			spoilt_ = true;
		bool end = TP_TRY(got ? take(reader, got) : Result<bool>(false));
		if (end && (!spoilt_ || tries_ >= most_dumps))
			return true;
		if (end || (spoilt_ && tries_ < most_dumps)) {
			TP_TRY(ask());
		}
	} while (Clock::now() < deadline);
	return false;
}

Result<bool> dump(uint16_t type, const void *body, size_t size, const Dump::Reader &reader)
{
	Dump dump = TP_TRY(Dump::start(type, body, size));

	TP_TRY(dump.read(reader, Dump::Clock::time_point::max()));
	return !dump.uncertain();
}

} // namespace tp

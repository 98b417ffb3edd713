// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/rtnetlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>

namespace tp
{

/* So often is a dump begun again. */
static constexpr unsigned most_dumps = 5;

/* Notifications thrown away at a time: there may be more of them all the time. */
static constexpr unsigned most_drained = 4096;

Result<Fd> open_rtnetlink(uint32_t groups, int flags)
{
	Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE));
	sockaddr_nl address = {};
	timeval patience = { 2, 0 };

	address.nl_family = AF_NETLINK;
	address.nl_groups = groups;
	if (!fd || bind(fd.get(), (sockaddr *)&address, sizeof(address)))
		return system_error("open", "rtnetlink socket");
	setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* ENOBUFS: some were lost.  Which they were does not matter, for all is read again. */
void drain(int fd)
{
	char buffer[8192];

	for (unsigned i = 0; i < most_drained; i++)
		if (recv(fd, buffer, sizeof(buffer), 0) <= 0 && errno != ENOBUFS && errno != EINTR)
			return;
}

Result<size_t> receive_netlink(int fd, std::vector<char> &buffer)
{
	for (;;) {
		ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_TRUNC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == ENOBUFS)
			return (size_t)0;
		if (got < 0)
			return system_error("read", "netlink socket");
		if ((size_t)got <= buffer.size())
			return (size_t)got;
		buffer.resize((size_t)got);
		return (size_t)0;
	}
}

Result<Dump> Dump::start(uint16_t type, const void *body, size_t size)
{
	Dump dump;

	dump.request_.resize(NLMSG_SPACE(size));
	auto *header = (nlmsghdr *)dump.request_.data();
	header->nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	std::memcpy(NLMSG_DATA(header), body, size);
	TP_TRY(dump.ask());
	return dump;
}

/* On a socket of its own, which what is left of the last try does not reach. */
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

/* True: that was the last of it. */
Result<bool> Dump::take(const Reader &reader, size_t length)
{
	for (auto *m = (nlmsghdr *)buffer_.data(); NLMSG_OK(m, length); m = NLMSG_NEXT(m, length)) {
		if (m->nlmsg_seq != sequence_)
			continue;
		spoilt_ |= (m->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (m->nlmsg_type == NLMSG_ERROR)
			return system_error("ask", "rtnetlink", ((nlmsgerr *)NLMSG_DATA(m))->error);
		if (m->nlmsg_type == NLMSG_DONE) {
			int number = 0; /* why it ends so early, if it does */

			if (NLMSG_PAYLOAD(m, 0) >= (int)sizeof(number))
				std::memcpy(&number, NLMSG_DATA(m), sizeof(number));
			if (number < 0)
				return system_error("read", "rtnetlink", number);
			return true;
		}
		reader.each(m);
	}
	return false;
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

// SPDX-License-Identifier: BSD-2-Clause
#include "agent/netlink_dump.h"

#include <sys/socket.h>

#include <optional>

namespace tp
{

/* How often a dump is begun again. */
static constexpr unsigned most_dumps = 5;

static const char *name_of(int bus)
{
	return bus == NETLINK_ROUTE ? "rtnetlink" : "sock_diag";
}

Result<Dump> Dump::start(int bus, uint16_t type, const void *body, size_t size)
{
	Dump dump;

	dump.bus_ = bus;
	dump.request_ = make_request(type, NLM_F_DUMP, body, size);
	TP_TRY(dump.ask());
	return dump;
}

/* Uses a socket of its own, so that nothing left of the last try gets in. */
Status Dump::ask()
{
	auto *header = (nlmsghdr *)request_.data();

	fd_ = TP_TRY(open_netlink(bus_, 0, 0, 2));
	asked_ = spoilt_ = false;
	tries_++;
	header->nlmsg_seq = ++sequence_;
	if (send(fd_.get(), header, header->nlmsg_len, 0) < 0)
		return system_error("ask", name_of(bus_));
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
		if (std::optional<int> error = reported_error(m)) {
			end = system_error("ask", name_of(bus_), *error);
			return false;
		}
		if (m->nlmsg_type == NLMSG_DONE) {
			const int *number = header_of<int>(m); /* why it ends early, if it does */

			end = true;
			if (number && *number < 0)
				end = system_error("read", name_of(bus_), *number);
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

Result<bool> dump(int bus, uint16_t type, const void *body, size_t size, const Dump::Reader &reader)
{
	Dump dump = TP_TRY(Dump::start(bus, type, body, size));

	TP_TRY(dump.read(reader, Dump::Clock::time_point::max()));
	return !dump.uncertain();
}

} // namespace tp

// SPDX-License-Identifier: BSD-2-Clause
#include "agent/watch/way_back.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "agent/load/host.h"

namespace tp
{

static constexpr const char *paths[] = { "/proc/sys/net/ipv4/conf/lo/forwarding",
					 "/proc/sys/net/ipv6/conf/lo/forwarding" };

/* Any number but 0 means yes. This one also says who has set it, for whoever sets it back. */
static constexpr uint32_t ours = 0x7470;

/* One in this many calls of tick() looks. */
static constexpr unsigned looks_every = 25;

static Status write_number(const char *path, uint32_t number)
{
	Fd file(open(path, O_WRONLY | O_CLOEXEC));
	std::string text = std::to_string(number);

	if (!file || write(file.get(), text.data(), text.size()) != (ssize_t)text.size())
		return system_error("set", path, errno,
				    "set net.ipv4.conf.lo.forwarding and "
				    "net.ipv6.conf.lo.forwarding to 1, which has no other effect");
	return success();
}

/* A host without IPv6 has only one of the two. */
static Status set_forwarding()
{
	Status done = success();

	for (const char *path : paths)
		if (done && read_sysctl(path) == 0u)
			done = write_number(path, ours);
	return done;
}

void restore_way_back(const Namespace &space)
{
	Result<Inside> inside = Inside::enter(space);

	if (!inside)
		return;
	for (const char *path : paths)
		if (read_sysctl(path) == ours)
			(void)bool(write_number(path, 0));
}

Status WayBack::enter(const Namespace &space)
{
	Result<Inside> inside = Inside::enter(space);

	return inside ? set_forwarding() : Status(inside.error());
}

Status WayBack::open(const Namespace &space)
{
	Inside inside = TP_TRY(Inside::enter(space));

	spaces_.push_back(&space);
	return set_forwarding();
}

void WayBack::tick()
{
	if (++ticks_ % looks_every)
		return;
	for (const Namespace *space : spaces_) {
		Result<Inside> inside = Inside::enter(*space);

		if (inside)
			(void)bool(set_forwarding());
	}
}

WayBack::~WayBack()
{
	for (const Namespace *space : spaces_)
		restore_way_back(*space);
}

} // namespace tp

// SPDX-License-Identifier: BSD-2-Clause
#include "doctor/sockets.h"

#include <unordered_map>

#include <fmt/core.h>

#include "base/process.h"
#include "base/socket_owners.h"

namespace tp
{

bool is_wildcard(const uint8_t *service)
{
	return make_address(service, 16).is_any();
}

bool reaches(const uint8_t *service, const Listener &listener)
{
	Address wanted = make_address(service, 16);

	if (wanted.is_any())
		return wanted.exactness() == 0 || listener.takes_ipv4();
	if (listener.is_any())
		return wanted.is_ipv4() ? listener.takes_ipv4() : listener.takes_ipv6();
	return listener.address == wanted;
}

std::string socket_owner(uint64_t inode)
{
	static const std::unordered_map<uint64_t, Process> owners = read_socket_owners();
	auto found = owners.find(inode);

	return found == owners.end() ? std::string() :
				       fmt::format("{}, process {}", printable(found->second.name),
						   found->second.pid);
}

} // namespace tp

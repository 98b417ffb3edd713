// SPDX-License-Identifier: BSD-2-Clause
#include "base/process.h"
#include "base/socket_owners.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string_view>

#include <fmt/core.h>

#include "base/fd.h"

namespace tp
{

using Owners = std::unordered_map<uint64_t, Process>;

namespace
{

struct CloseDirectory {
	void operator()(DIR *directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

/* The inode of "socket:[123]"; 0 for a file of another kind. */
uint64_t socket_inode(int directory, const char *name)
{
	static constexpr std::string_view prefix = "socket:[";
	char target[64];
	ssize_t size = readlinkat(directory, name, target, sizeof(target));
	uint64_t inode = 0;

	if (size <= 0 || !std::string_view(target, (size_t)size).starts_with(prefix))
		return 0;
	std::from_chars(target + prefix.size(), target + size, inode);
	return inode;
}

void add_process(pid_t pid, Owners &owners)
{
	Directory directory(opendir(fmt::format("/proc/{}/fd", pid).c_str()));
	std::string name;

	if (!directory)
		return;
	while (const dirent *entry = readdir(directory.get())) {
		uint64_t inode = socket_inode(dirfd(directory.get()), entry->d_name);

		if (!inode)
			continue;
		if (name.empty())
			name = process_name(pid);
		auto [owner, fresh] = owners.try_emplace(inode, pid, name);
		if (!fresh && pid < owner->second.pid)
			owner->second = { pid, name };
	}
}

} // namespace

Owners read_socket_owners()
{
	Owners owners;

	for_each_number("/proc", [&](pid_t pid, const std::filesystem::path &) {
		add_process(pid, owners);
		return false;
	});
	return owners;
}

Owners read_socket_owners(pid_t pid)
{
	Owners owners;

	add_process(pid, owners);
	return owners;
}

/* The inode of a listener in /proc/net/tcp or tcp6; 0 if there is none. */
static uint64_t find_listener(const char *path, uint16_t port)
{
	static constexpr unsigned listening = 10; /* TCP_LISTEN */
	std::ifstream file(path);

	for (std::string line; std::getline(file, line);) {
		unsigned found = 0, state = 0;
		unsigned long inode = 0;

		if (std::sscanf(line.c_str(),
				" %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x "
				"%*u %*u %lu",
				&found, &state, &inode) == 3 &&
		    found == port && state == listening)
			return inode;
	}
	return 0;
}

std::string listener_owner(uint16_t port)
{
	uint64_t inode = find_listener("/proc/net/tcp", port);

	if (!inode)
		inode = find_listener("/proc/net/tcp6", port);
	Owners owners = inode ? read_socket_owners() : Owners();
	auto owner = owners.find(inode);

	return owner == owners.end() ?
		       "" :
		       fmt::format("process {} ({})", owner->second.pid, owner->second.name);
}

} // namespace tp

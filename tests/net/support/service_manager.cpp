// SPDX-License-Identifier: BSD-2-Clause
#include "service_manager.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <cctype>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace live
{

Manager::Manager(const Sandbox &box)
{
	sockaddr_un address = { AF_UNIX, "" };
	std::string path = box.dir() + "/notify";

	path.copy(address.sun_path, sizeof(address.sun_path) - 1);
	socket_ = Socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (bind(socket_.fd(), (const sockaddr *)&address, sizeof(address)) ||
	    chmod(path.c_str(), 0777))
		give_up("bind " + path);
	setenv("NOTIFY_SOCKET", path.c_str(), 1);
}

std::string Manager::next(Ms timeout) const
{
	char text[4096];

	if (!polls_readable(socket_.fd(), timeout))
		return {};
	ssize_t size = recv(socket_.fd(), text, sizeof(text), 0);
	return std::string(text, size > 0 ? (size_t)size : 0);
}

bool Manager::hears(const std::string &words, Ms timeout) const
{
	return eventually([&] { return next(100ms).find(words) != std::string::npos; }, timeout);
}

Unit::Unit(const std::string &path)
{
	add(path);
	if (values_["ExecStart"].empty())
		throw std::runtime_error("read unit: " + path + ": no ExecStart=");
}

void Unit::add(const std::string &path)
{
	std::ifstream file(path);

	for (std::string line; std::getline(file, line);) {
		size_t equals = line.find('=');

		if (line.starts_with('#') || equals == std::string::npos)
			continue;
		std::string &value = values_[line.substr(0, equals)];
		if (equals + 1 == line.size())
			value.clear();
		else
			value += (value.empty() ? "" : " ") + line.substr(equals + 1);
	}
}

std::string Unit::operator[](const std::string &key) const
{
	auto found = values_.find(key);

	return found == values_.end() ? "" : found->second;
}

static std::vector<std::string> words(const std::string &text)
{
	std::istringstream in(text);
	std::vector<std::string> list;

	for (std::string word; in >> word;)
		list.push_back(word);
	return list;
}

/* CAP_BPF CAP_NET_RAW: -all,+bpf,+net_raw */
static std::string only(const std::string &capabilities)
{
	std::string list = "-all";

	for (std::string name : words(capabilities)) {
		for (char &c : name)
			c = (char)std::tolower(c);
		list += ",+" + name.substr(4);
	}
	return list;
}

std::vector<std::string> Unit::command(const std::string &key) const
{
	std::string allowed = only((*this)["CapabilityBoundingSet"]);
	std::string ambient = only((*this)["AmbientCapabilities"]);
	std::vector<std::string> list = { "setpriv",
					  "--reuid=" + (*this)["User"],
					  "--regid=" + (*this)["Group"],
					  "--groups=" + (*this)["SupplementaryGroups"],
					  "--bounding-set=" + allowed,
					  "--inh-caps=" + ambient,
					  "--ambient-caps=" + ambient,
					  "--no-new-privs" };

	for (const std::string &word : words((*this)[key]))
		list.push_back(word);
	return list;
}

Process Unit::start() const
{
	std::string prepare = (*this)["ExecStartPre"];

	if (prepare.starts_with('+') && run({ prepare.substr(1) }).code)
		throw std::runtime_error("start unit: " + prepare + " failed");
	return Process(command("ExecStart"));
}

Finished Unit::reload() const
{
	return run(command("ExecReload"), {}, 60s);
}

} // namespace live

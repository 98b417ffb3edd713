// SPDX-License-Identifier: BSD-2-Clause
#include <nlohmann/json.hpp>

#include "agent.h"

#include <bpf/bpf.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "bpf/abi.h"
#include "lo.h"

namespace live
{

Agent::Agent(const Sandbox &box, const AgentOptions &options)
    : pin_dir_(options.pin_dir.empty() ? box.pin_dir() : options.pin_dir)
{
	std::vector<std::string> arguments = { build_path("truepeer"),
					       "run",
					       "--engine",
					       options.engine,
					       "--cgroup",
					       options.cgroup.empty() ? box.cgroup() :
									options.cgroup,
					       "--pin-dir",
					       pin_dir_ };
	std::vector<std::string> trust = options.trust;

	if (trust.empty())
		trust = { trusted_ipv4, trusted_ipv6 };
	for (const std::string &service : options.listen)
		arguments.insert(arguments.end(), { "--listen", service });
	for (const std::string &network : trust)
		arguments.insert(arguments.end(), { "--trust", network });
	arguments.insert(arguments.end(), options.more.begin(), options.more.end());
	/* smaller maps are made sooner; other numbers are for those who ask */
	if (std::find(options.more.begin(), options.more.end(), "--max-connections") ==
	    options.more.end())
		arguments.insert(arguments.end(), { "--max-connections", "8192" });
	process_ = Process(arguments);
	eventually(
		[&] {
			return process_.out().find('\n') != std::string::npos ||
			       process_.wait(0ms).has_value();
		},
		20s);
	if (process_.out().rfind("ready", 0))
		throw std::runtime_error("start agent: no ready line; it said: " + process_.out() +
					 process_.err());
}

Finished Agent::command(std::vector<std::string> arguments) const
{
	arguments.insert(arguments.begin(), build_path("truepeer"));
	arguments.insert(arguments.end(), { "--pin-dir", pin_dir_ });
	return run(arguments);
}

nlohmann::json Agent::json(std::vector<std::string> arguments) const
{
	arguments.push_back("--json");
	Finished finished = command(arguments);

	if (finished.code)
		throw std::runtime_error("truepeer " + arguments[0] + ": " + finished.err);
	return nlohmann::json::parse(finished.out);
}

Counters Agent::counters() const
{
	return json({ "status" }).at("counters").get<Counters>();
}

bool Agent::counts(const std::string &outcome, uint64_t value, Ms timeout) const
{
	return eventually([&] { return counters()[outcome] == value; }, timeout);
}

uint64_t Agent::total() const
{
#define TP_OUTCOME_NAME(constant, number, name) name,
	static const std::set<std::string> outcomes = { TP_OUTCOMES(TP_OUTCOME_NAME) };
	uint64_t sum = 0;

	for (const auto &[name, value] : counters())
		sum += outcomes.count(name) ? value : 0;
	return sum;
}

std::vector<nlohmann::json> Agent::events(std::vector<std::string> more) const
{
	std::vector<nlohmann::json> list;
	std::vector<std::string> arguments = { "events", "--json" };

	arguments.insert(arguments.end(), more.begin(), more.end());
	std::istringstream lines(command(arguments).out);
	for (std::string line; std::getline(lines, line);)
		list.push_back(nlohmann::json::parse(line));
	return list;
}

Counters Agent::event_counts() const
{
	Counters counts;

	for (const nlohmann::json &event : events())
		counts[event.at("outcome")]++;
	return counts;
}

/* ---- what is loaded ------------------------------------------------------ */

static void add_pin(BpfIds &ids, const std::string &path)
{
	int fd = bpf_obj_get(path.c_str());
	bpf_map_info map = {};
	bpf_link_info link = {};
	uint32_t size = sizeof(map);

	if (fd < 0)
		return;
	/* the kinds tell themselves apart: only a link's information has a program */
	std::string kind = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
	if (kind.find("bpf-map") != std::string::npos) {
		if (!bpf_obj_get_info_by_fd(fd, &map, &size))
			ids.maps.insert(map.id);
	} else if (kind.find("bpf_link") != std::string::npos) {
		size = sizeof(link);
		if (!bpf_obj_get_info_by_fd(fd, &link, &size)) {
			ids.links.insert(link.id);
			ids.programs.insert(link.prog_id);
		}
	}
	close(fd);
}

/* Programs that no link holds are found by the maps they use, and maps without a pin by these. */
static void add_programs(BpfIds &ids)
{
	std::set<uint32_t> more;

	for (uint32_t id = 0; !bpf_prog_get_next_id(id, &id);) {
		int fd = bpf_prog_get_fd_by_id(id);
		uint32_t maps[64] = {}, size = sizeof(bpf_prog_info);
		bpf_prog_info info = {};

		if (fd < 0)
			continue;
		info.map_ids = (uintptr_t)maps;
		info.nr_map_ids = 64;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size)) {
			uint32_t *end = maps + std::min(info.nr_map_ids, 64u);

			if (std::any_of(maps, end, [&](uint32_t m) { return ids.maps.count(m); })) {
				ids.programs.insert(id);
				more.insert(maps, end);
			}
		}
		close(fd);
	}
	ids.maps.merge(more);
}

BpfIds pinned_ids(const std::string &pin_dir)
{
	BpfIds ids;

	for (const auto &pin : std::filesystem::directory_iterator(pin_dir))
		add_pin(ids, pin.path());
	add_programs(ids);
	return ids;
}

BpfIds Agent::ids() const
{
	return pinned_ids(pin_dir_);
}

std::vector<std::string> left_over(const BpfIds &ids, Ms timeout)
{
	std::vector<std::string> left;
	auto look = [&](const char *kind, const std::set<uint32_t> &set, int (*get)(__u32)) {
		for (uint32_t id : set) {
			int fd = get(id);

			if (fd < 0)
				continue;
			left.push_back(kind + std::to_string(id));
			close(fd);
		}
	};

	eventually(
		[&] {
			left.clear();
			look("program ", ids.programs, bpf_prog_get_fd_by_id);
			look("map ", ids.maps, bpf_map_get_fd_by_id);
			look("link ", ids.links, bpf_link_get_fd_by_id);
			return left.empty();
		},
		timeout);
	return left;
}

size_t Agent::entries(const std::string &map) const
{
	int fd = bpf_obj_get((pin_dir_ + "/" + map).c_str());
	std::string key(256, '\0'), next(256, '\0');
	size_t n = 0;

	if (fd < 0)
		throw std::runtime_error("open pin: " + pin_dir_ + "/" + map);
	for (void *last = nullptr; !bpf_map_get_next_key(fd, last, next.data()); n++) {
		key = next;
		last = key.data();
	}
	close(fd);
	return n;
}

uint64_t Agent::map_memory(const std::string &map) const
{
	int fd = bpf_obj_get((pin_dir_ + "/" + map).c_str());
	std::ifstream about("/proc/self/fdinfo/" + std::to_string(fd));
	uint64_t bytes = 0;

	for (std::string word; about >> word;)
		if (word == "memlock:")
			about >> bytes;
	close(fd);
	return bytes;
}

uint64_t Agent::map_memory() const
{
	uint64_t sum = 0;

	for (const char *name :
	     { "tp_origins", "tp_pending", "tp_pieces", "tp_headers", "tp_headers_large" })
		sum += map_memory(name);
	return sum;
}

size_t Agent::live() const
{
	int fd = bpf_obj_get((pin_dir_ + "/tp_origins").c_str());
	uint64_t key, next;
	tp_peer peer;
	size_t n = 0;

	if (fd < 0)
		throw std::runtime_error("open pin: " + pin_dir_ + "/tp_origins");
	for (void *last = nullptr; !bpf_map_get_next_key(fd, last, &next);) {
		key = next;
		last = &key;
		n += !bpf_map_lookup_elem(fd, &key, &peer) && peer.state != TP_PEER_CLOSED;
	}
	close(fd);
	return n;
}

int Agent::stop(Ms timeout)
{
	process_.signal(SIGTERM);
	return process_.wait(timeout).value_or(-1);
}

} // namespace live

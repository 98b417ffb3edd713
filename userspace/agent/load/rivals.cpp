// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/rivals.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include <fmt/core.h>

#include "agent/load/cgroup.h"
#include "agent/load/mounts.h"
#include "agent/load/pins.h"
#include "base/bpf_info.h"
#include "base/log.h"
#include "base/maps.h"
#include "base/process.h"
#include "base/raw_maps.h"

namespace tp
{

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/* How long to wait until an agent that starts at the same time has ended or is ready. */
static constexpr auto rival_patience = 10s;
static constexpr auto rival_poll = 10ms;
static constexpr const char *link_name = "link_sockops"; /* every agent has this link */

/* The programs of one agent. */
struct Rival {
	uint32_t link = 0, program = 0;
	uint64_t cgroup = 0;
	Fd services, config;
};

/* ---- finding other agents ----------------------------------------------------------- */

static bool is_of_agent(const std::optional<bpf_link_info> &link)
{
	/*
	 * the cgroup's number is 0 if the cgroup is gone, and then the programs do nothing any more
	 */
	return link && link->type == BPF_LINK_TYPE_CGROUP &&
	       link->cgroup.attach_type == BPF_CGROUP_SOCK_OPS && link->cgroup.cgroup_id;
}

static int open_to_read(uint32_t map)
{
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, options, .open_flags = BPF_F_RDONLY);

	return bpf_map_get_fd_by_id_opts(map, &options);
}

/* Opens the maps of the program, if it is one of truepeer's. */
static void open_maps(uint32_t id, Rival &rival)
{
	std::optional<ProgramInfo> program = read_program(id);

	if (!program || program->name != "tp_sockops")
		return;
	for (uint32_t number : program->maps) {
		Fd map(open_to_read(number));
		auto info = info_of<bpf_map_info>(map.get());

		if (info && !std::strcmp(info->name, "tp_services"))
			rival.services = std::move(map);
		else if (info && !std::strcmp(info->name, "tp_config"))
			rival.config = std::move(map);
	}
}

static void add_rival(std::vector<Rival> &rivals, Rival rival)
{
	bool known = std::any_of(rivals.begin(), rivals.end(),
				 [&](const Rival &other) { return other.link == rival.link; });

	if (!known && rival.services && rival.config)
		rivals.push_back(std::move(rival));
}

/* Returns false without the privilege for it. */
static bool find_by_number(std::vector<Rival> &rivals)
{
	int failed;

	for (uint32_t id = 0; !(failed = bpf_link_get_next_id(id, &id));) {
		Fd fd(bpf_link_get_fd_by_id(id));
		auto info = info_of<bpf_link_info>(fd.get());
		Rival rival;

		if (!is_of_agent(info))
			continue;
		rival.link = info->id;
		rival.program = info->prog_id;
		rival.cgroup = info->cgroup.cgroup_id;
		open_maps(info->prog_id, rival);
		add_rival(rivals, std::move(rival));
	}
	return failed == -ENOENT;
}

/*
 * Returns false if a directory was renamed or removed meanwhile, so that what follows it was not
 * read.
 */
static bool find_pinned(const std::string &root, std::vector<Rival> &rivals)
{
	static constexpr int deepest = 3;
	std::error_code failed;
	fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied,
					    failed),
		end;

	for (; !failed && at != end; at.increment(failed)) {
		if (at.depth() >= deepest)
			at.disable_recursion_pending();
		if (at->path().filename() != link_name)
			continue;
		std::string dir = at->path().parent_path();
		auto info = pinned_link(dir, link_name);
		if (!is_of_agent(info))
			continue;
		Result<Fd> services = open_map(dir, "tp_services", Access::read);
		Result<Fd> config = open_map(dir, "tp_config", Access::read);
		if (services && config)
			add_rival(rivals, { info->id, info->prog_id, info->cgroup.cgroup_id,
					    std::move(*services), std::move(*config) });
	}
	return !failed;
}

static std::vector<Rival> find_rivals(bool first)
{
	static constexpr int attempts = 100; /* other agents' pins may change while they are read */
	std::vector<Rival> rivals;

	if (find_by_number(rivals))
		return rivals;
	if (first)
		log("without CAP_SYS_ADMIN another agent on the same services is noticed only "
		    "where its pins can be seen");
	for (const std::string &root : mount_points("bpf"))
		for (int i = 0; i < attempts && !find_pinned(root, rivals); i++)
			std::this_thread::sleep_for(rival_poll);
	return rivals;
}

static uint32_t link_in(const std::string &dir)
{
	auto info = pinned_link(dir, link_name);

	return is_of_agent(info) ? info->id : 0;
}

/* What the predecessor in the same directory has left is taken over, so it is no rival. */
static std::set<uint32_t> own_links(const std::string &pin_dir)
{
	std::set<uint32_t> links = { link_in(pin_dir) };

	for (const std::string &dir : draining_dirs(pin_dir))
		links.insert(link_in(dir));
	return links;
}

/* ---- whether they are in the way ------------------------------------------------------ */

static tp_config_entry config_of(const Rival &rival)
{
	tp_config_entry config;

	if (copy_config(rival.config.get(), config))
		return {};
	if (config.abi_version != TP_ABI_VERSION) {
		config.claims = config.draining != TP_DRAINING_PASS ? TP_CLAIMS_SERVICES : 0;
		config.pin_dir[0] = '\0';
	}
	config.pin_dir[sizeof(config.pin_dir) - 1] = '\0';
	return config;
}

/* Whether there may be sockets that both agents see. */
static bool share_sockets(int cgroup, const Rival &rival)
{
	std::error_code failed;

	if (std::ranges::count(
		    attached_programs(cgroup, BPF_CGROUP_SOCK_OPS, BPF_F_QUERY_EFFECTIVE),
		    rival.program))
		return true; /* the cgroup is this one, or above it */
	fs::recursive_directory_iterator at(fmt::format("/proc/self/fd/{}/", cgroup),
					    fs::directory_options::skip_permission_denied, failed),
		end;
	for (; !failed && at != end; at.increment(failed)) {
		std::error_code gone;

		if (!at->is_directory(gone))
			continue;
		Fd below(open(at->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		if (below && cgroup_id(below.get()) == rival.cgroup)
			return true;
	}
	return false;
}

/* Returns the first of our services that the rival has, too. */
static const Listen *shared_service(const Setup &setup, const Rival &rival,
				    const tp_config_entry &config, int cgroup)
{
	const Listen *shared = nullptr;
	tp_service_key key, next;
	/* one of the two has its services in all namespaces, but only below its cgroup */
	bool everywhere = setup.all_namespaces || config.claims & TP_CLAIMS_EVERYWHERE;

	for (const tp_service_key *last = nullptr;
	     !shared && !bpf_map_get_next_key(rival.services.get(), last, &next);) {
		key = next;
		last = &key;
		for (const ServiceSetup &service : setup.services)
			for (uint64_t netns : setup.namespaces) {
				const Listen &listen = service.listen;
				Address theirs = make_address(key.address, sizeof(key.address));
				/* 0 means all namespaces, but only below the cgroup */
				bool anywhere = everywhere || !netns || !key.netns;

				if (listen.meets(theirs, key.port) &&
				    (anywhere ? share_sockets(cgroup, rival) : netns == key.netns))
					shared = &listen;
			}
	}
	return shared;
}

/* ---- naming them ------------------------------------------------------------------------ */

struct OpenObjects {
	bool config = false; /* for writing */
	bool link = false;
};

/* Adds what one file in a process's fdinfo says. */
static void add_open_object(const fs::path &about, const Rival &rival, uint32_t config,
			    OpenObjects &open)
{
	std::ifstream file(about);
	uint32_t flags = O_RDONLY, id;

	for (std::string line; std::getline(file, line);)
		if (std::sscanf(line.c_str(), "flags: %o", &flags) == 1)
			continue; /* comes before the numbers */
		else if (std::sscanf(line.c_str(), "map_id: %u", &id) == 1)
			open.config |= id == config && (flags & O_ACCMODE) != O_RDONLY;
		else if (std::sscanf(line.c_str(), "link_id: %u", &id) == 1)
			open.link |= id == rival.link;
}

/*
 * Whether the process has both open, as only the rival's own has. Other agents that start at this
 * moment have opened the map for reading, and bpftool has no link open beside it.
 */
static bool is_agent(const fs::path &process, const Rival &rival, uint32_t config)
{
	OpenObjects open;
	std::error_code failed;

	for (fs::directory_iterator at(process / "fdinfo", failed), end; !failed && at != end;
	     at.increment(failed))
		add_open_object(at->path(), rival, config, open);
	return open.config && open.link;
}

/* Returns the rival's process, or 0 if it cannot be seen. */
static pid_t find_process(const Rival &rival)
{
	auto info = info_of<bpf_map_info>(rival.config.get());
	pid_t found = 0;

	if (!info)
		return 0;
	for_each_number("/proc", [&](pid_t pid, const fs::path &process) {
		if (pid != getpid() && is_agent(process, rival, info->id))
			found = pid;
		return found != 0;
	});
	return found;
}

static Error rival_error(const Rival &rival, const tp_config_entry &config, const Listen &service)
{
	std::string dir = config.pin_dir;
	bool visible = !dir.empty() && link_in(dir) == rival.link;
	pid_t pid = find_process(rival);
	std::string who = pid     ? fmt::format("process {}", pid) :
			  visible ? "its agent has ended" :
				    "its process is not visible from here";

	return { ErrorCode::busy, "start", format_listen(service),
		 fmt::format("another agent works on this service, with its pins in {} ({})",
			     dir.empty() ? "a directory that is not known" : dir, who),
		 pid || !visible ? "stop it first; each of the two would take a header" :
				   fmt::format("truepeer unload --pin-dir {} takes it away", dir) };
}

/* Whether the rival's pins are in the directory that it names: it is then ready, or nearly so. */
static bool is_settled(const Rival &rival, const tp_config_entry &config)
{
	return config.pin_dir[0] && link_in(config.pin_dir) == rival.link;
}

/*
 * Fails if a rival is in the way, and names the first one. An agent with an older link than `link`
 * is in the way. One with a younger link is in the way once it is settled, because it may have
 * looked for others before this agent could be seen. Until then it is `awaited`, if `wait` is set.
 */
static Status look_for_rivals(const Setup &setup, int cgroup, uint32_t link, bool wait,
			      bool &awaited)
{
	std::set<uint32_t> own = own_links(setup.pin_dir);

	awaited = false;
	for (const Rival &rival : find_rivals(link == 0)) {
		if (own.count(rival.link) || rival.link == link)
			continue;
		tp_config_entry config = config_of(rival);
		const Listen *shared = config.claims & TP_CLAIMS_SERVICES ?
					       shared_service(setup, rival, config, cgroup) :
					       nullptr;

		if (!shared)
			continue;
		if (!wait || rival.link < link || is_settled(rival, config))
			return rival_error(rival, config, *shared);
		awaited = true;
	}
	return success();
}

Status check_rivals(const Setup &setup, int cgroup, uint32_t link)
{
	auto last = std::chrono::steady_clock::now() + rival_patience;
	bool awaited;
	Status found = look_for_rivals(setup, cgroup, link, link != 0, awaited);

	while (found && awaited) {
		bool wait = std::chrono::steady_clock::now() < last;

		std::this_thread::sleep_for(rival_poll);
		found = look_for_rivals(setup, cgroup, link, wait, awaited);
	}
	return found;
}

} // namespace tp

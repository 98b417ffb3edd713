// SPDX-License-Identifier: BSD-2-Clause
/* The files of a support bundle about truepeer itself. */
#include <bpf/bpf.h>
#include <sys/stat.h>

#include <cstring>
#include <map>
#include <sstream>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "agent/load/pins.h"
#include "base/bpf_info.h"
#include "base/files.h"
#include "base/maps.h"
#include "cli/tlv.h"
#include "doctor/examination.h"
#include "doctor/command.h"
#include "doctor/dump.h"
#include "doctor/links.h"
#include "doctor/programs.h"
#include "lib/names.h"

namespace tp
{

using Json = nlohmann::ordered_json;

/* ---- what other commands say ---------------------------------------------------------- */

static Result<std::string> ask_self(const DumpJob &job, std::vector<std::string> command)
{
	command.insert(command.begin(), "/proc/self/exe");
	command.insert(command.end(), { "--json", "--pin-dir", job.context.pin_dir });
	return run_program(command);
}

Result<std::string> dump_status(const DumpJob &job)
{
	return ask_self(job, { "status" });
}

Result<std::string> dump_policies(const DumpJob &job)
{
	return ask_self(job, { "policy", "list" });
}

Result<std::string> dump_metrics(const DumpJob &job)
{
	return run_program({ "/proc/self/exe", "metrics", "--pin-dir", job.context.pin_dir });
}

/* It may name clients that are denied. */
Result<std::string> dump_config(const DumpJob &job)
{
	if (job.context.config_file.empty())
		return std::string("# there is no configuration file\n");
	if (!job.with_addresses)
		return std::string("# left out, because --with-addresses was not given\n");
	return "# " + job.context.config_file + "\n" +
	       read_file(job.context.config_file).value_or("");
}

Result<std::string> dump_doctor(const DumpJob &job)
{
	Json out = TP_TRY(examine_host(job.context.options)).json;

	for (Json &finding : out["findings"])
		/* these speak of clients and proxies */
		if (!job.with_addresses &&
		    (finding["check"] == "trust" || finding["check"] == "headers"))
			finding["found"] = mask_addresses(finding["found"].get<std::string>());
	return json_text(out, 1);
}

Result<std::string> dump_events(const DumpJob &job)
{
	std::istringstream lines(TP_TRY(ask_self(job, { "events" })));
	std::string text;

	for (std::string line; std::getline(lines, line);) {
		Json event = Json::parse(line, nullptr, false);

		if (!event.is_object())
			continue;
		if (!job.with_addresses)
			for (const char *key : { "origin", "destination", "proxy", "local" })
				event.erase(key);
		text += json_text(event);
	}
	return text;
}

Result<std::string> dump_denied(const DumpJob &job)
{
	Json list = Json::parse(TP_TRY(ask_self(job, { "deny", "list" })), nullptr, false);

	if (job.with_addresses)
		return json_text(list, 1);
	return json_text({ { "networks", list.size() } });
}

/* ---- connections ---------------------------------------------------------------------- */

Result<std::string> dump_connections(const DumpJob &job)
{
	Fd origins = TP_TRY(open_map(job.context.pin_dir, "tp_origins", Access::read));
	Fd pending = TP_TRY(open_map(job.context.pin_dir, "tp_pending", Access::read));
	HashScan<uint64_t, tp_peer> live;
	HashScan<tp_flow, tp_pending_entry> waiting;
	std::map<std::string, uint64_t> counts, states;
	std::map<uint32_t, std::string> services;

	for (const ServedAt &service : job.context.services)
		services[service.value.id] = service.listen();
	TP_TRY(live.all(origins.get(), "tp_origins", [&](const uint64_t &, const tp_peer &peer) {
		counts[fmt::format("{} {} {} version {}", services[peer.service],
				   engine_name(peer.engine), peer_state_name(peer.state),
				   peer.version)]++;
	}));
	TP_TRY(waiting.all(pending.get(), "tp_pending",
			   [&](const tp_flow &, const tp_pending_entry &entry) {
				   states[fmt::format("{} state {}", services[entry.peer.service],
						      entry.state)]++;
			   }));
	return json_text({ { "live", counts }, { "without_socket", states } }, 1);
}

/* ---- programs, maps, links -------------------------------------------------------------- */

Result<std::string> dump_programs(const DumpJob &job)
{
	Json list = Json::array();

	for (uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
		Fd fd(bpf_prog_get_fd_by_id(id));
		auto info = info_of<bpf_prog_info>(fd.get());

		if (!info)
			continue;
		list.push_back({ { "id", id },
				 { "name", info->name },
				 { "type", info->type },
				 { "tag", to_hex(info->tag) },
				 { "own", is_own_program(job.context, id) },
				 { "instructions", info->verified_insns },
				 { "bytes_translated", info->xlated_prog_len },
				 { "bytes_jited", info->jited_prog_len },
				 { "loaded_ns", info->load_time },
				 { "runs", info->run_cnt },
				 { "run_time_ns", info->run_time_ns },
				 { "recursion_misses", info->recursion_misses } });
	}
	return json_text(list, 1);
}

/* Calls `each(name, descriptor)` for the pins that can be opened. */
template <typename Each> static void for_each_pin(const DumpJob &job, Each each)
{
	for (const std::string &name : link_names(job.context.pin_dir, "")) {
		Fd fd(bpf_obj_get((job.context.pin_dir + "/" + name).c_str()));

		if (fd)
			each(name, fd.get());
	}
}

static bool is_kind(int fd, const char *kind)
{
	return path_of(fd).value_or("").find(kind) != std::string::npos;
}

Result<std::string> dump_maps(const DumpJob &job)
{
	Json list = Json::array();

	for_each_pin(job, [&](const std::string &name, int fd) {
		auto info = is_kind(fd, "bpf-map") ? info_of<bpf_map_info>(fd) : std::nullopt;

		if (info)
			list.push_back({ { "pin", name },
					 { "id", info->id },
					 { "type", info->type },
					 { "key_bytes", info->key_size },
					 { "value_bytes", info->value_size },
					 { "max_entries", info->max_entries },
					 { "flags", info->map_flags } });
	});
	return json_text(list, 1);
}

static Json hooks_json(const Context &context)
{
	Json out = Json::array();
	Result<std::vector<NetworkLink>> links = network_links();

	if (!links)
		return out;
	for (const NetworkLink &link : *links) {
		Json object = { { "interface", link.name }, { "xdp", link.xdp } };

		for (TcWay way : { TcWay::in, TcWay::out }) {
			Json list = Json::array();

			for (const TcUser &user : tc_users(link.index, way))
				list.push_back({ { "kind", user.kind },
						 { "program", user.program },
						 { "own", user.program &&
								  is_own_program(context,
										 user.program) } });
			object[way == TcWay::in ? "ingress" : "egress"] = list;
		}
		out.push_back(object);
	}
	return out;
}

Result<std::string> dump_links(const DumpJob &job)
{
	Json out = { { "links", Json::array() }, { "interfaces", Json::array() } };

	for_each_pin(job, [&](const std::string &name, int fd) {
		auto info = is_kind(fd, "bpf_link") ? info_of<bpf_link_info>(fd) : std::nullopt;

		if (info)
			out["links"].push_back({ { "pin", name },
						 { "id", info->id },
						 { "type", info->type },
						 { "program", info->prog_id },
						 { "target", info->cgroup.cgroup_id } });
	});
	for (const Namespace &space : job.context.spaces) {
		Result<Inside> inside = Inside::enter(space);

		if (inside)
			out["interfaces"].push_back(
				{ { "namespace", space.name.empty() ? "own" : space.name },
				  { "hooks", hooks_json(job.context) } });
	}
	return json_text(out, 1);
}

static void list_pins(const std::string &dir, std::string &text)
{
	text += dir + "\n";
	for (const std::string &name : link_names(dir, "")) {
		struct stat about;

		if (lstat((dir + "/" + name).c_str(), &about) == 0)
			text += fmt::format("  {:04o} {}:{} {}\n", about.st_mode & 07777,
					    about.st_uid, about.st_gid, name);
	}
}

Result<std::string> dump_pins(const DumpJob &job)
{
	std::string text;

	list_pins(job.context.pin_dir, text);
	for (const std::string &dir : draining_dirs(job.context.pin_dir))
		list_pins(dir, text);
	for (const std::string &dir : unfinished_dirs(job.context.pin_dir))
		list_pins(dir, text);
	return text;
}

} // namespace tp

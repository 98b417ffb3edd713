// SPDX-License-Identifier: BSD-2-Clause
#include "metrics/programs.h"

#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "agent/load/pins.h"
#include "base/bpf_info.h"
#include "base/fd.h"
#include "base/maps.h"

namespace tp
{

using prometheus::MetricType;

namespace
{

/* A link that is pinned. */
struct Hook {
	bool attached;
	uint32_t program; /* the kernel's number */
};

/* Nothing if it is not pinned, or for root alone. */
std::optional<Hook> read_hook(const std::string &dir, const std::string &name)
{
	auto about = pinned_link(dir, name);

	if (!about)
		return {};
	/* 0: the interface, or the cgroup, has gone */
	return Hook{ is_tc_link(name) ? tc_interface(*about) != 0 : about->cgroup.cgroup_id != 0,
		     about->prog_id };
}

/* The filters of kernels without tcx are pinned as programs. */
uint32_t read_filter(const std::string &dir, const std::string &name)
{
	Fd program(bpf_obj_get((dir + "/" + name).c_str()));

	return program ? id_of<bpf_prog_info>(program.get()) : 0;
}

/* A program that has never run while the kernel measured is left out. */
void add_costs(const std::set<uint32_t> &programs, Families &out)
{
	Family seconds(MetricType::Counter, "truepeer_bpf_program_run_time_seconds_total",
		       "Time in the BPF program, while kernel.bpf_stats_enabled is 1.");
	Family runs(MetricType::Counter, "truepeer_bpf_program_runs_total",
		    "Runs of the BPF program, while kernel.bpf_stats_enabled is 1.");

	for (uint32_t id : programs) {
		Fd fd(bpf_prog_get_fd_by_id(id));
		auto about = fd ? info_of<bpf_prog_info>(fd.get()) : std::nullopt;

		if (!about || !about->run_cnt)
			continue;
		Labels labels = { { "program", about->name }, { "id", fmt::to_string(id) } };
		seconds.add((double)about->run_time_ns / 1e9, labels);
		runs.add((double)about->run_cnt, labels);
	}
	out.add(std::move(seconds));
	out.add(std::move(runs));
}

} // namespace

void add_programs(const std::string &pin_dir, Families &out)
{
	Family attached(
		MetricType::Gauge, "truepeer_hook_attached",
		"Whether the program that every connection needs is attached to the cgroup.");
	Family interfaces(MetricType::Gauge, "truepeer_interfaces",
			  "Interfaces that have the engine's programs.");
	std::map<std::string, unsigned> count = { { "handshake", 0 }, { "translate", 0 } };
	std::set<uint32_t> programs;

	for (const char *name : cgroup_links) {
		std::optional<Hook> hook = read_hook(pin_dir, fmt::format("link_{}", name));

		if (!hook && errno != ENOENT)
			return;
		attached.add(hook && hook->attached, { { "hook", name } });
		if (hook)
			programs.insert(hook->program);
	}
	for (const auto &[prefix, engine] :
	     { std::pair("link_getsockopt", ""), std::pair("link_tcx_", "handshake"),
	       std::pair("link_translate_in_", "translate"), std::pair("link_translate_out_", "") })
		for (const std::string &name : link_names(pin_dir, prefix)) {
			std::optional<Hook> hook = read_hook(pin_dir, name);

			if (!hook || !hook->attached)
				continue;
			programs.insert(hook->program);
			if (*engine)
				count[engine]++;
		}
	for (const auto &[prefix, engine] :
	     { std::pair("filter_in_", "translate"), std::pair("filter_out_", "") })
		for (const std::string &name : link_names(pin_dir, prefix)) {
			uint32_t program = read_filter(pin_dir, name);

			if (!program)
				continue;
			programs.insert(program);
			if (*engine)
				count[engine]++;
		}
	for (const auto &[engine, number] : count)
		interfaces.add(number, { { "engine", engine } });
	out.add(std::move(attached));
	out.add(std::move(interfaces));
	add_costs(programs, out);
}

} // namespace tp

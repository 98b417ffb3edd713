// SPDX-License-Identifier: BSD-2-Clause
/* The files of a support bundle about the host. */
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/address.h"
#include "base/files.h"
#include "base/version.h"
#include "doctor/examination.h"
#include "doctor/command.h"
#include "doctor/dump.h"
#include "doctor/ruleset.h"
#include "doctor/sockets.h"

namespace tp
{

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Result<std::string> dump_host(const DumpJob &)
{
	std::string text = fmt::format("truepeer {}\n", version());

	for (const char *path : { "/proc/version", "/proc/cmdline", "/etc/os-release",
				  "/proc/uptime", "/proc/loadavg", "/proc/meminfo" })
		text += fmt::format("\n== {}\n{}", path, read_file(path).value_or(""));
	return text + fmt::format("\n== processors\n{}\n", sysconf(_SC_NPROCESSORS_CONF));
}

Result<std::string> dump_agent(const DumpJob &job)
{
	if (job.context.agent <= 0)
		return std::string(job.context.has_pins ?
					   "no agent runs, or it is not visible here; "
					   "its programs are at work\n" :
					   "no agent runs\n");
	std::string process = fmt::format("/proc/{}", job.context.agent);
	std::string line = read_file(process + "/cmdline").value_or("");
	std::replace(line.begin(), line.end(), '\0', ' ');
	std::string text = fmt::format("== command line\n{}\n", line);
	for (const char *file : { "status", "limits", "cgroup" })
		text += fmt::format("\n== {}\n{}", file,
				    read_file(process + "/" + file).value_or(""));
	return text;
}

Result<std::string> dump_mounts(const DumpJob &)
{
	std::ifstream file("/proc/self/mountinfo");
	std::string text;

	for (std::string line; std::getline(file, line);)
		if (line.find(" - bpf ") != std::string::npos ||
		    line.find(" - cgroup") != std::string::npos)
			text += line + "\n";
	return text;
}

/* ---- the firewall ------------------------------------------------------------------------ */

std::string mask_addresses(const std::string &text)
{
	static const std::regex ipv4(R"(\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b)"),
		ipv6(R"([0-9a-fA-F:]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*)");

	return std::regex_replace(std::regex_replace(text, ipv4, "ADDRESS"), ipv6, "ADDRESS");
}

static bool is_source(const Json &match)
{
	const Json left = match.value("left", Json());

	return left.is_object() && left.contains("payload") &&
	       left["payload"].value("field", "") == "saddr";
}

/* A client that somebody has locked out is a rule's source or an element of a set. */
static void mask_rules(Json &value)
{
	if (value.is_object()) {
		if (value.contains("match") && value["match"].is_object() &&
		    is_source(value["match"]) && value["match"].contains("right")) {
			Json &right = value["match"]["right"];

			right = Json::parse(mask_addresses(json_text(right)), nullptr, false);
		}
		for (const char *kind : { "set", "map" })
			if (value.contains(kind) && value[kind].is_object() &&
			    value[kind].contains("elem"))
				value[kind]["elem"] = fmt::format("{} elements were left out",
								  value[kind]["elem"].size());
		if (value.contains("element"))
			value["element"] = "left out";
	}
	if (value.is_structured())
		for (Json &inner : value)
			mask_rules(inner);
}

Result<std::string> dump_firewall(const DumpJob &job)
{
	std::string listed = TP_TRY(list_nft_ruleset());

	if (job.with_addresses)
		return listed;
	Json rules = Json::parse(listed, nullptr, false);
	try {
		mask_rules(rules);
	} catch (const Json::exception &) { /* it does not look as nft(8) says */
		return std::string("left out, because it could not be read\n");
	}
	return json_text(rules, 1);
}

Result<std::string> dump_iptables(const DumpJob &job)
{
	static const std::regex source(R"( -s \S+)");
	std::string text;

	for (const char *tool : iptables_tools) {
		Result<std::string> listed = run_program({ tool });

		text += fmt::format("== {}\n", tool);
		if (!listed)
			text += "not available: " + listed.error().text() + "\n";
		else
			text += job.with_addresses ?
					*listed :
					std::regex_replace(*listed, source, " -s ADDRESS");
	}
	return text;
}

/* ---- settings, interfaces, routes, listeners ---------------------------------------------- */

/* Keys, such as those for Fast Open, are secret and must not be in the bundle. */
static bool is_secret(const std::string &name)
{
	return name.find("key") != std::string::npos || name.find("secret") != std::string::npos;
}

static void add_settings(const std::string &folder, const std::string &prefix,
			 std::set<std::string> &lines)
{
	std::error_code failed;

	for (fs::directory_iterator at("/proc/sys/" + folder, failed), end; !failed && at != end;
	     at.increment(failed)) {
		std::string name = at->path().filename();
		std::error_code gone;

		if (!name.starts_with(prefix) || is_secret(name) || !at->is_regular_file(gone))
			continue;
		std::ifstream file(at->path());
		if (std::string value; std::getline(file, value))
			lines.insert(fmt::format("{}/{} = {}", folder, name, value));
	}
}

Result<std::string> dump_sysctls(const DumpJob &)
{
	std::set<std::string> lines;
	std::string text;

	add_settings("net/ipv4", "", lines);
	for (const char *folder :
	     { "net/core", "net/netfilter", "net/ipv4/conf/all", "net/ipv4/conf/lo",
	       "net/ipv6/conf/all", "net/ipv6/conf/lo", "net/mptcp" })
		add_settings(folder, "", lines);
	for (const char *prefix : { "bpf", "unprivileged_bpf", "osrelease", "tainted" })
		add_settings("kernel", prefix, lines);
	for (const std::string &line : lines)
		text += line + "\n";
	return text;
}

Result<std::string> dump_interfaces(const DumpJob &)
{
	return run_program({ "ip", "-json", "-details", "-statistics", "address" });
}

Result<std::string> dump_routes(const DumpJob &)
{
	std::string text;

	for (const char *family : { "-4", "-6" })
		for (const char *object : { "rule", "route" }) {
			std::vector<std::string> command = { "ip", family, object, "show" };

			if (object == std::string("route"))
				command.insert(command.end(), { "table", "all" });
			Result<std::string> listed = run_program(command);
			text += fmt::format("== ip {} {}\n{}", family, object,
					    listed ? *listed :
						     "not available: " + listed.error().text() +
							     "\n");
		}
	return text;
}

Result<std::string> dump_listeners(const DumpJob &job)
{
	Json out = Json::array();

	for (const Namespace &space : job.context.spaces) {
		Result<Inside> inside = Inside::enter(space);
		Result<std::vector<Listener>> all =
			inside ? read_listeners() : Result<std::vector<Listener>>(inside.error());
		Json object = { { "namespace", space.name.empty() ? "own" : space.name },
				{ "cookie", space.cookie } };

		if (!all) {
			object["error"] = all.error().text();
			out.push_back(object);
			continue;
		}
		object["listeners"] = Json::array();
		for (const Listener &one : *all)
			object["listeners"].push_back({ { "address", one.text() },
							{ "ipv6_only", one.ipv6_only },
							{ "mptcp", one.multipath },
							{ "cgroup", one.cgroup },
							{ "queued", one.queued },
							{ "backlog", one.backlog },
							{ "process", socket_owner(one.inode) } });
		out.push_back(object);
	}
	return json_text(out, 1);
}

} // namespace tp

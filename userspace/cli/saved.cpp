// SPDX-License-Identifier: BSD-2-Clause
#include "cli/saved.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include <fmt/core.h>
#include <toml++/toml.h>

#include "agent/setup.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/maps.h"
#include "base/policy.h"
#include "cli/config_file.h"

namespace tp
{

namespace
{

struct Saved {
	/* by service, which is empty for all, and network; an empty policy: there is no rule */
	std::map<std::tuple<std::string, std::string>, std::string> policies;
	std::set<std::string> denied, allowed;
};

Error wrong(const std::string &file, const std::string &what)
{
	return { ErrorCode::usage, "read saved policies", file, what,
		 "truepeer policy --save and truepeer deny --save write it; remove what is wrong" };
}

Status read_list(const toml::table &document, const char *name, const std::string &file,
		 std::set<std::string> &to)
{
	if (const toml::array *list = document[name].as_array())
		for (const toml::node &one : *list) {
			std::string text = one.value_or(std::string());

			if (!parse_network(text, name))
				return wrong(file,
					     fmt::format("{}: {}: not a network", name, text));
			to.insert(text);
		}
	return success();
}

Result<Saved> read_saved_file(const std::string &file)
{
	toml::table document;
	Saved saved;

	if (access(file.c_str(), F_OK) && errno == ENOENT)
		return saved;
	try {
		document = toml::parse_file(file);
	} catch (const toml::parse_error &error) {
		return wrong(file, std::string(error.description()));
	}
	TP_TRY(read_list(document, "denied", file, saved.denied));
	TP_TRY(read_list(document, "allowed", file, saved.allowed));
	const toml::array *list = document["policy"].as_array();
	for (size_t i = 0; list && i < list->size(); i++) {
		const toml::table *entry = (*list)[i].as_table();
		std::string service = entry ? (*entry)["service"].value_or(std::string()) : "";
		std::string network = entry ? (*entry)["network"].value_or(std::string()) : "";
		std::string policy = entry ? (*entry)["policy"].value_or(std::string("-")) : "-";

		if (!parse_network(network, "") || (!policy.empty() && !parse_policy(policy, "")) ||
		    (!service.empty() && !parse_listen(service, "")))
			return wrong(file, fmt::format("policy {}: network {}: not a rule", i + 1,
						       network));
		saved.policies[{ service, network }] = policy;
	}
	return saved;
}

std::string list_text(const char *name, const std::set<std::string> &list)
{
	std::string text;

	if (list.empty())
		return text;
	text = fmt::format("{} = [\n", name);
	for (const std::string &one : list)
		text += fmt::format("\t\"{}\",\n", one);
	return text + "]\n";
}

std::string file_text(const Saved &saved)
{
	std::string text = "# Written by truepeer policy --save and truepeer deny --save. The "
			   "configuration file is read first.\n";

	text += list_text("denied", saved.denied) + list_text("allowed", saved.allowed);
	for (const auto &[of, policy] : saved.policies) {
		const auto &[service, network] = of;

		text += fmt::format("\n[[policy]]\n{}network = \"{}\"\npolicy = \"{}\"\n",
				    service.empty() ? "" :
						      fmt::format("service = \"{}\"\n", service),
				    network, policy);
	}
	return text;
}

/* The file is replaced as a whole, so that a reader sees the old one or the new one. */
Status write_file(const std::string &file, const std::string &text)
{
	std::string fresh = file + ".new";
	Fd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	if (!fd)
		return system_error("save", fresh);
	if (!write_all(fd.get(), text)) {
		Error error = system_error("save", fresh);
		unlink(fresh.c_str());
		return error;
	}
	if (fsync(fd.get()) || rename(fresh.c_str(), file.c_str())) {
		Error error = system_error("save", file);

		unlink(fresh.c_str());
		return error;
	}
	return success();
}

/* Whether the agent would start with the file, and with what is saved beside it. */
Status check_whole(const std::string &config)
{
	RunOptions run;
	std::vector<Error> errors = read_config_file(config, run, [](RunOptions &) {});

	if (!errors.empty())
		return errors.front();
	TP_TRY(read_setup(run));
	return success();
}

/*
 * The configuration file serves as a lock, so that two commands that run at once do not lose each
 * other's changes. A change is not saved if the next start would be refused because of it.
 */
template <typename Change> Status change_file(const std::string &config, Change change)
{
	Fd lock(open(config.c_str(), O_RDONLY | O_CLOEXEC));

	if (!lock || flock(lock.get(), LOCK_EX))
		return system_error("save", config);
	std::string file = saved_file(config);
	Saved saved = TP_TRY(read_saved_file(file)), before = saved;
	bool was_right = bool(check_whole(config));

	change(saved);
	TP_TRY(write_file(file, file_text(saved)));
	Status right = was_right ? check_whole(config) : success();
	if (right)
		return success();
	TP_TRY(write_file(file, file_text(before)));
	return Error{ ErrorCode::usage, "save", file,
		      "the agent would not start with it: " + right.error().text() };
}

void add_policies(const Saved &saved, ServiceOptions &service)
{
	for (const auto &[of, policy] : saved.policies) {
		const auto &[listen, network] = of;

		for (const std::string &one : service.listen) {
			Result<Listen> its = parse_listen(one, "");

			if (!listen.empty() && (!its || format_listen(*its) != listen))
				continue;
			std::string at = listen.empty() ? "" : "@" + listen;
			if (policy.empty())
				service.dropped.push_back(network + "=reject" + at);
			else
				service.policies.push_back(network + "=" + policy + at);
			break;
		}
	}
}

} // namespace

std::string saved_file(const std::string &config)
{
	return config + ".saved";
}

Status read_saved(const std::string &config, RunOptions &run)
{
	Saved saved = TP_TRY(read_saved_file(saved_file(config)));

	add_policies(saved, run);
	for (ServiceOptions &service : run.services)
		add_policies(saved, service);
	run.denied.insert(run.denied.end(), saved.denied.begin(), saved.denied.end());
	run.allowed.assign(saved.allowed.begin(), saved.allowed.end());
	return success();
}

Result<std::string> config_of_agent(const std::string &pin_dir)
{
	tp_config_entry config = TP_TRY(read_config(pin_dir));
	std::string file = text_of(config.config_file);

	if (file.empty())
		return Error{ ErrorCode::usage, "--save", pin_dir,
			      "the agent has no configuration file",
			      "start it with --config, or leave --save out" };
	return file;
}

Status save_policy(const std::string &config, const std::string &service, const Network &network,
		   const std::string &policy)
{
	std::string text = format_network(network);

	return change_file(config,
			   [&](Saved &saved) { saved.policies[{ service, text }] = policy; });
}

Status save_denied(const std::string &config, const std::vector<Network> &networks, bool denied)
{
	return change_file(config, [&](Saved &saved) {
		for (const Network &network : networks) {
			std::string text = format_network(network);

			(denied ? saved.denied : saved.allowed).insert(text);
			(denied ? saved.allowed : saved.denied).erase(text);
		}
	});
}

} // namespace tp

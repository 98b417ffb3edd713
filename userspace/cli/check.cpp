// SPDX-License-Identifier: BSD-2-Clause
/* truepeer check and truepeer reload: the configuration before and while the agent runs. */
#include <signal.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "agent/load/pins.h"
#include "agent/setup.h"
#include "base/log.h"
#include "base/maps.h"
#include "cli/commands.h"
#include "cli/config_file.h"

namespace tp
{

Result<RunOptions> read_configuration(const std::string &file,
				      const std::function<void(RunOptions &)> &overlay)
{
	RunOptions run;
	std::error_code failed;
	std::filesystem::path whole = std::filesystem::absolute(file, failed);
	std::vector<Error> errors =
		read_config_file(failed ? file : whole.lexically_normal().string(), run, overlay);

	if (errors.empty())
		return run;
	for (size_t i = 0; i + 1 < errors.size(); i++)
		log_line(errors[i].text());
	return errors.back();
}

Result<int> check_configuration(const std::string &file)
{
	RunOptions run = TP_TRY(read_configuration(file, [](RunOptions &) {}));
	Setup setup = TP_TRY(read_setup(run));
	size_t networks = 0;

	for (const ServiceSetup &service : setup.services)
		networks += service.policies.size();
	fmt::print("{}: {} on {}, {} with a policy, {} denied\n", file,
		   count_text(setup.services.size(), "service"), count_text(setup.ports(), "port"),
		   count_text(networks, "network"), count_text(setup.denied.size(), "network"));
	return 0;
}

static constexpr timespec poll_interval = { 0, 10'000'000 };
static constexpr int polls = 6000; /* a minute: a million denied networks take some seconds */

Status reload(const std::string &pin_dir)
{
	tp_config_entry before = TP_TRY(read_config(pin_dir));

	TP_TRY(check_version(pin_dir));
	pid_t agent = running_agent(pin_dir);
	if (agent == 0)
		return Error{ ErrorCode::not_running, "reload", pin_dir, "no agent is running",
			      "truepeer run starts one" };
	if (agent < 0)
		return Error{ ErrorCode::permission, "reload", pin_dir,
			      "the agent's process is not visible from here",
			      "run this in the agent's PID namespace" };
	if (!before.config_file[0])
		return Error{ ErrorCode::usage, "reload", fmt::format("process {}", agent),
			      "the agent has no configuration file", "start it with --config" };
	if (kill(agent, SIGHUP))
		return system_error("reload", fmt::format("process {}", agent));
	for (int round = 0; round < polls; round++) {
		tp_config_entry now = TP_TRY(read_config(pin_dir));

		/*
		 * a reload that began before this request may have read an older version of the
		 * file
		 */
		if (now.reloads > before.reloads_begun) {
			if (now.reload_failed)
				return Error{ ErrorCode::usage, text_of(now.reload_text), "", "",
					      "nothing is changed" };
			fmt::print("{}: {}\n", text_of(now.config_file), text_of(now.reload_text));
			return success();
		}
		if (running_agent(pin_dir) != agent)
			return Error{ ErrorCode::not_running, "reload",
				      fmt::format("process {}", agent), "it has ended" };
		nanosleep(&poll_interval, nullptr);
	}
	return Error{ ErrorCode::busy, "reload", fmt::format("process {}", agent),
		      "no answer for a minute", "look at its log" };
}

} // namespace tp

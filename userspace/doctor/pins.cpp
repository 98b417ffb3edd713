// SPDX-License-Identifier: BSD-2-Clause
/* Checks of the pins, the agent and what the agent keeps in them. */
#include "agent/load/pins.h"

#include <sys/stat.h>

#include <fstream>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/maps.h"
#include "base/services.h"
#include "doctor/checks.h"

namespace tp
{

static void check_draining(const std::string &dir, Findings &findings)
{
	Result<uint64_t> live = live_connections(dir);

	if (!live)
		findings.add(Severity::warning, dir, live.error().text(),
			     "remove it with the unload command of the version that made it");
	else if (*live == 0)
		findings.add(Severity::warning, dir,
			     "it is left from an earlier run, and no connection needs it",
			     "truepeer unload removes it, as does the next truepeer run");
	else
		findings.remark(fmt::format("{} is kept for {}", dir,
					    count_text(*live, "live connection")));
}

void check_pins(const Context &context, Findings &findings)
{
	const std::string &dir = context.pin_dir;

	if (pins_exist(dir)) {
		if (Status owned = check_owner(dir); !owned)
			findings.add(Severity::error, dir, owned.error().reason,
				     owned.error().hint.empty() ?
					     "remove it, and find out who has made it" :
					     owned.error().hint);
		if (!context.has_pins && context.pins_error)
			findings.add(Severity::error, dir, context.pins_error->reason,
				     context.pins_error->hint);
	} else {
		findings.remark("no agent's programs are here");
	}
	for (const std::string &draining : draining_dirs(dir))
		check_draining(draining, findings);
	for (const std::string &unfinished : unfinished_dirs(dir))
		if (context.agent == 0)
			findings.add(Severity::warning, unfinished,
				     "an agent has died while it was starting",
				     "truepeer unload removes it, as does the next truepeer run");
}

/* The letter that proc(5) has for the state of a process; T: it is stopped. */
static char process_state(pid_t pid)
{
	std::ifstream file(fmt::format("/proc/{}/stat", pid));
	std::string line;

	std::getline(file, line);
	size_t end = line.rfind(") ");
	return end == std::string::npos || end + 2 >= line.size() ? '?' : line[end + 2];
}

void check_agent(const Context &context, Findings &findings)
{
	uint64_t now = boot_time_ns(), alive = context.config.alive_ns;
	double seconds = now > alive ? (double)(now - alive) / 1e9 : 0;

	if (context.agent == 0) {
		findings.add(
			Severity::warning, context.pin_dir,
			"the programs are at work, but no agent runs: header timeouts do not "
			"count, refused clients are not reset at once, headers in IP fragments "
			"are not served, and events will be lost",
			"start the agent again with the same options (truepeer run), or remove "
			"the programs with truepeer unload");
		return;
	}
	std::string who = context.agent > 0 ? fmt::format("process {}", context.agent) :
					      "a process that is not visible here";
	/* without CAP_NET_RAW it gives no signs of life to the programs */
	if (alive && seconds > TP_ALIVE_TIMEOUT_NS / 1e9)
		findings.add(
			Severity::error, who,
			fmt::format("the agent has given no sign of life for {:.0f} s{}", seconds,
				    context.agent > 0 && process_state(context.agent) == 'T' ?
					    ", because it is stopped (SIGSTOP)" :
					    ""),
			fmt::format("kill -CONT {0}, or end it (kill -KILL {0}) and start it "
				    "again: the programs go on meanwhile",
				    context.agent > 0 ? std::to_string(context.agent) : "PID"));
	if (context.config.draining == TP_DRAINING_PASS)
		findings.add(Severity::warning, who,
			     "the programs let new connections pass as they are, header included",
			     "wait until the agent says that it is ready; if it does not, start it "
			     "again");
	if (context.config.hooks_put_back)
		findings.add(Severity::warning, who,
			     fmt::format("another tool has removed truepeer's tc programs from "
					 "interfaces ({} so far), and the agent has attached them "
					 "again",
					 context.config.hooks_put_back),
			     "find out which tool does that (tc qdisc replace and network plug-ins "
			     "do): until they are back, no packet of a service passes there");
}

/* ---- configuration -------------------------------------------------------------------- */

/* Whether somebody has changed the file after the agent has read it. */
static bool is_newer(const std::string &file, const Context &context)
{
	struct stat about, process;

	if (context.agent <= 0 || stat(file.c_str(), &about) ||
	    stat(fmt::format("/proc/{}", context.agent).c_str(), &process))
		return false;
	/* the times of a process's directory are those of its start */
	double read = (double)process.st_ctim.tv_sec + (double)process.st_ctim.tv_nsec / 1e9;
	if (context.config.reload_ns)
		read = (double)(realtime_offset_ns() + context.config.reload_ns) / 1e9;
	return (double)about.st_mtim.tv_sec + (double)about.st_mtim.tv_nsec / 1e9 > read + 1;
}

void check_config(const Context &context, Findings &findings)
{
	const std::string &file = context.config_file;

	if (file.empty())
		return findings.remark("there is none");
	for (const Error &error : context.config_errors)
		findings.add(
			Severity::error, error.operation,
			error.object.empty() ? error.reason : error.object + ": " + error.reason,
			error.hint.empty() ?
				"correct it; truepeer check " + file + " says whether it is right" :
				error.hint);
	if (!context.has_pins || file != text_of(context.config.config_file))
		return;
	if (context.config.reload_failed)
		findings.add(Severity::warning, file,
			     fmt::format("the agent has refused its last change: {}",
					 text_of(context.config.reload_text)),
			     "correct it, and run truepeer reload; until then the agent goes on "
			     "with what it had before");
	else if (is_newer(file, context))
		findings.add(Severity::warning, file, "it was changed after the agent has read it",
			     "truepeer reload lets the agent read it again");
}

static void check_namespace(const tp_namespace &space, Findings &findings)
{
	std::string name = text_of(space.name);
	uint64_t seconds = seconds_since(space.since_ns);

	if (space.state == TP_NAMESPACE_GONE)
		findings.add(Severity::warning, name,
			     fmt::format("this network namespace has been gone for {} s", seconds),
			     "start what makes it, or leave it out of --netns; a namespace that "
			     "takes its name is served");
	if (space.state == TP_NAMESPACE_CLOSED)
		findings.add(
			Severity::error, name.empty() ? "a network namespace" : name,
			fmt::format("a server listens in this network namespace, and the agent "
				    "cannot enter it, so its server gets no connections (for "
				    "{} s)",
				    seconds),
			"give the agent CAP_SYS_ADMIN and CAP_SYS_PTRACE, and let it see the "
			"processes of the host; its log has the reason");
}

void check_namespaces(const Context &context, Findings &findings)
{
	Result<std::vector<tp_namespace>> all = read_namespaces(context.pin_dir);

	if (!all)
		return findings.skip(all.error());
	for (const tp_namespace &space : *all)
		check_namespace(space, findings);
}

} // namespace tp

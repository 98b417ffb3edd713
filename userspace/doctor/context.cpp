// SPDX-License-Identifier: BSD-2-Clause
#include "doctor/context.h"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "agent/load/host.h"
#include "agent/load/pins.h"
#include "agent/setup.h"
#include "base/bpf_info.h"
#include "base/maps.h"
#include "base/process.h"
#include "cli/config_file.h"

namespace tp
{

std::string Finding::object() const
{
	static constexpr size_t shown = 3;
	std::string text;

	for (size_t i = 0; i < objects.size() && i < shown; i++)
		text += (i ? ", " : "") + objects[i];
	if (objects.size() > shown)
		text += fmt::format(" and {} more", objects.size() - shown);
	return text;
}

void Findings::add(Severity severity, std::string object, std::string found, std::string remedy)
{
	/* paths and names may contain any bytes */
	object = printable(object);
	found = printable(found);
	for (Finding &one : list_)
		if (one.severity == severity && one.found == found && one.remedy == remedy) {
			if (one.objects.back() != object)
				one.objects.push_back(std::move(object));
			return;
		}
	list_.push_back({ severity, { std::move(object) }, std::move(found), std::move(remedy) });
}

/* They are sorted by id. */
std::vector<ServedAt> Context::distinct_services() const
{
	std::vector<ServedAt> once;

	for (const ServedAt &service : services)
		if (once.empty() || once.back().value.id != service.value.id)
			once.push_back(service);
	return once;
}

std::string Context::space_text(size_t space) const
{
	return spaces.at(space).name.empty() ?
		       "" :
		       fmt::format(" in network namespace {}", spaces[space].name);
}

/*
 * Where the pins are. `ip netns exec` and containers have mounts of their own; the host's are seen
 * through its first process.
 */
static std::string find_pins(const std::string &pin_dir)
{
	std::string host = "/proc/1/root" + pin_dir;

	if (!pins_exist(pin_dir) && pins_exist(host))
		return host;
	return pin_dir;
}

static size_t space_of(Context &context, uint64_t cookie)
{
	for (size_t i = 0; i < context.spaces.size(); i++)
		if (context.spaces[i].cookie == cookie)
			return i;
	return no_space;
}

static Status read_pinned_services(Context &context)
{
	Fd map = TP_TRY(open_map(context.pin_dir, "tp_services", Access::read));

	TP_TRY(for_each_entry<tp_service_key, tp_service>(
		map.get(), "tp_services", [&](const tp_service_key &key, const tp_service &value) {
			if (key.port == value.first_port)
				context.services.push_back(
					{ { key, value }, space_of(context, key.netns) });
		}));
	std::ranges::sort(context.services, {}, [](const ServedAt &s) { return s.value.id; });
	return success();
}

static Status read_pins(Context &context)
{
	TP_TRY(check_version(context.pin_dir));
	context.config = TP_TRY(read_config(context.pin_dir));
	Fd map = TP_TRY(open_map(context.pin_dir, "tp_config", Access::read));
	context.config_id = id_of<bpf_map_info>(map.get());
	if (context.agent > 0) {
		/* the agent's own namespace may be another one than this process's */
		Result<Namespace> space =
			open_namespace(fmt::format("/proc/{}/ns/net", context.agent));

		if (space && space_of(context, space->cookie) == no_space)
			context.spaces.push_back(std::move(*space));
	}
	for (Namespace &space : served_namespaces(context.pin_dir))
		if (space_of(context, space.cookie) == no_space)
			context.spaces.push_back(std::move(space));
	return read_pinned_services(context);
}

static void add_service(Context &context, const Listen &listen, uint64_t timeout_ns)
{
	ServedAt service = {};

	service.key.netns = context.spaces.front().cookie;
	service.key.port = service.value.first_port = listen.port;
	service.value.last_port = listen.last;
	service.value.header_timeout_ns = timeout_ns;
	std::memcpy(service.key.address, listen.address.bytes, 16);
	service.value.id = (uint32_t)context.services.size();
	context.services.push_back(service);
}

static Status read_asked(Context &context)
{
	for (const std::string &text : context.options.listen) {
		Listen listen = TP_TRY(parse_listen(text));

		add_service(context, listen, TP_DEFAULT_TIMEOUT_NS);
	}
	return success();
}

/* The agent's file, the one that was named, or the usual one. */
static void read_configuration(Context &context)
{
	std::string file = context.options.config;
	RunOptions run;

	if (file.empty() && context.has_pins)
		file = text_of(context.config.config_file);
	else if (file.empty() && context.options.listen.empty() &&
		 access(default_config_file, F_OK) == 0)
		file = default_config_file;
	if (file.empty())
		return;
	context.config_file = file;
	context.config_errors = read_config_file(file, run, [](RunOptions &) {});
	if (!context.config_errors.empty())
		return;
	Result<Setup> setup = read_setup(run);
	if (!setup) {
		context.config_errors.push_back(setup.error());
		return;
	}
	/* a running agent's services may differ from those of the file until it reloads */
	for (const ServiceSetup &service : setup->services)
		if (!context.has_pins)
			add_service(context, service.listen, service.header_timeout_ns);
}

Result<Context> gather(const DoctorOptions &options)
{
	Context context;

	context.options = options;
	context.is_root = check_privileges().has_value();
	context.options.pin_dir = TP_TRY(check_pin_dir(options.pin_dir));
	context.pin_dir = find_pins(context.options.pin_dir);
	context.agent = running_agent(context.pin_dir);
	context.spaces = TP_TRY(open_namespaces({}));
	Status read = read_pins(context);
	context.has_pins = read.has_value();
	if (!read) {
		context.pins_error = read.error();
		TP_TRY(read_asked(context));
	}
	read_configuration(context);
	return context;
}

void for_each_counted(const Context &context, Findings &findings,
		      const std::function<void(const ServedAt &, const tp_counters_entry &)> &each)
{
	Result<Fd> map = open_map(context.pin_dir, "tp_counters", Access::read);

	if (!map)
		return findings.skip(map.error());
	for (const ServedAt &service : context.distinct_services()) {
		Result<tp_counters_entry> counters = read_counters(map->get(), service.value.id);

		if (counters)
			each(service, *counters);
	}
}

} // namespace tp

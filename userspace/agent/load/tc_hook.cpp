// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/tc_hook.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "agent/load/pins.h"
#include "agent/watch/rtnetlink.h"
#include "base/bpf_info.h"
#include "base/maps.h"

namespace tp
{

bpf_attach_type tcx_attach_type(TcWay way)
{
	/* BPF_TCX_INGRESS and BPF_TCX_EGRESS of Linux 6.6. libbpf 1.1 passes them through. */
	return (bpf_attach_type)(way == TcWay::in ? 46 : 47);
}

/* The handle of all our filters. Other filters of the same priority have other handles. */
static constexpr uint32_t filter_handle = 0x7470;

/* Another kind of classifier may have the first priorities, so these are tried in turn. */
static constexpr uint32_t last_priority = 8;

/* Where a filter is, which is also the beginning of its pin's name. */
struct Filter {
	uint32_t interface;
	TcWay way;
	uint32_t priority;
	bool made; /* the qdisc was made for this filter */
};

static constexpr std::string_view filter_prefix = "filter_";

static std::string filter_name(const Filter &filter)
{
	return fmt::format("{}{}{}_{}_{}_", filter_prefix, filter.way == TcWay::in ? "in" : "out",
			   filter.made ? "_made" : "", filter.priority, filter.interface);
}

static std::optional<Filter> parse_filter(std::string_view name)
{
	Filter filter = {};
	auto skip = [&](std::string_view word) {
		bool there = name.starts_with(word);

		if (there)
			name.remove_prefix(word.size());
		return there;
	};
	auto number = [&](uint32_t &value) {
		auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);

		name.remove_prefix((size_t)(end - name.data()));
		return error == std::errc() && skip("_");
	};

	if (!skip(filter_prefix))
		return {};
	filter.way = skip("in") ? TcWay::in : TcWay::out;
	if (filter.way == TcWay::out && !skip("out"))
		return {};
	filter.made = skip("_made");
	if (!skip("_") || !number(filter.priority) || !number(filter.interface))
		return {};
	return filter;
}

static bpf_tc_hook hook_of(uint32_t interface, int points)
{
	bpf_tc_hook hook = {};

	hook.sz = sizeof(hook);
	hook.ifindex = (int)interface;
	hook.attach_point = (bpf_tc_attach_point)points;
	return hook;
}

static bpf_tc_hook hook_of(const Filter &filter)
{
	return hook_of(filter.interface, filter.way == TcWay::in ? BPF_TC_INGRESS : BPF_TC_EGRESS);
}

static bpf_tc_opts filter_options(const Filter &filter)
{
	bpf_tc_opts options = {};

	options.sz = sizeof(options);
	options.handle = filter_handle;
	options.priority = filter.priority;
	return options;
}

static int quiet(enum libbpf_print_level, const char *, va_list)
{
	return 0;
}

/* libbpf's messages about the kernel's refusals are not needed here. */
class Quiet
{
public:
	Quiet() : before_(libbpf_set_print(quiet)) {}
	Quiet(const Quiet &) = delete;
	~Quiet() { libbpf_set_print(before_); }

private:
	libbpf_print_fn_t before_;
};

Result<bool> dump_filters(uint32_t interface, TcWay way, const Dump::Reader &reader)
{
	tcmsg request = {};

	request.tcm_ifindex = (int)interface;
	request.tcm_parent =
		TC_H_MAKE(TC_H_CLSACT, way == TcWay::in ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
	return dump(RTM_GETTFILTER, &request, sizeof(request), reader);
}

/* Whether anybody has filters at the interface. */
static bool has_filters(uint32_t interface)
{
	bool any = false;

	for (TcWay way : { TcWay::in, TcWay::out }) {
		auto each = [&](const nlmsghdr *m) { any |= m->nlmsg_type == RTM_NEWTFILTER; };
		Result<bool> read = dump_filters(interface, way, { [] {}, each });
		any |= !read || !*read;
	}
	return any;
}

/* Whether the filter is ours. Another agent may have put its own program in the filter's place. */
static void take_off(const Filter &filter, uint32_t program_id)
{
	Quiet quiet_here;
	bpf_tc_hook hook = hook_of(filter);
	bpf_tc_opts options = filter_options(filter);

	if (bpf_tc_query(&hook, &options) || options.prog_id != program_id)
		return;
	options = filter_options(filter);
	bpf_tc_detach(&hook, &options);
	if (!filter.made || has_filters(filter.interface))
		return;
	hook = hook_of(filter.interface, BPF_TC_INGRESS | BPF_TC_EGRESS);
	bpf_tc_hook_destroy(&hook);
}

Status TcHook::attach_filter(uint32_t interface, TcWay way)
{
	Quiet quiet_here;
	bpf_tc_hook hook = hook_of(interface, BPF_TC_INGRESS | BPF_TC_EGRESS);
	Filter filter = { interface, way, 1, false };
	int failed = bpf_tc_hook_create(&hook);

	filter.made = failed == 0;
	if (failed && failed != -EEXIST)
		return system_error("make the clsact qdisc of", std::to_string(interface), failed);
	hook = hook_of(filter);
	for (; filter.priority <= last_priority; filter.priority++) {
		bpf_tc_opts options = filter_options(filter);

		/*
		 * never in the place of a predecessor's filter, which works until this one takes
		 * over
		 */
		options.prog_fd = program_;
		failed = bpf_tc_attach(&hook, &options);
		if (failed != -EINVAL && failed != -EEXIST)
			break;
	}
	if (failed)
		return system_error("attach to the clsact qdisc of", std::to_string(interface),
				    failed);
	filter_ = filter_name(filter);
	return success();
}

Result<TcHook> TcHook::attach(const Namespace &space, int program, uint32_t interface, TcWay way,
			      bool quickly)
{
	TcHook hook(space, program);
	int link = -EINVAL;

	if (!quickly)
		link = bpf_link_create(program, (int)interface, tcx_attach_type(way), nullptr);
	if (link >= 0) {
		hook.link_ = Fd(link);
		return hook;
	}
	if (link != -EINVAL) /* other errors do not mean that the kernel has no tcx */
		return system_error("attach to", std::to_string(interface), link);
	TP_TRY(hook.attach_filter(interface, way));
	return hook;
}

TcHook::TcHook(TcHook &&other) noexcept
    : space_(other.space_), program_(other.program_), link_(std::move(other.link_)),
      filter_(std::exchange(other.filter_, {})), name_(std::exchange(other.name_, {}))
{
}

TcHook::~TcHook()
{
	if (filter_.empty() || !name_.empty())
		return;
	try {
		remove("");
	} catch (...) {
		/* without memory the filter stays, as it would if the agent were killed */
		return;
	}
}

Status TcHook::pin(const std::string &dir, const std::string &name)
{
	std::string file = (filter_.empty() ? "link_" : filter_) + name;

	TP_TRY(pin_object(filter_.empty() ? link_.get() : program_, dir + "/" + file, 0600));
	name_ = file;
	return success();
}

bool TcHook::is_attached() const
{
	if (filter_.empty()) {
		auto about = info_of<bpf_link_info>(link_.get());

		return about && tc_interface(*about) != 0;
	}
	Quiet quiet_here;
	std::optional<Filter> filter = parse_filter(filter_);
	if (!filter)
		return false;
	bpf_tc_hook hook = hook_of(*filter);
	bpf_tc_opts options = filter_options(*filter);
	return bpf_tc_query(&hook, &options) == 0 &&
	       options.prog_id == id_of<bpf_prog_info>(program_);
}

void TcHook::remove(const std::string &dir)
{
	if (filter_.empty()) {
		bpf_link_detach(link_.get()); /* this fails if the interface has gone */
	} else {
		Result<Inside> inside = Inside::enter(*space_);
		std::optional<Filter> filter = parse_filter(filter_);

		if (inside && filter)
			take_off(*filter, id_of<bpf_prog_info>(program_));
		filter_.clear();
	}
	if (!dir.empty() && !name_.empty())
		unlink((dir + "/" + name_).c_str());
}

Status drop_filters(const std::string &dir)
{
	std::vector<std::string> names = link_names(dir, std::string(filter_prefix));
	std::vector<Namespace> spaces;

	if (!names.empty())
		spaces = served_namespaces(dir);
	for (const std::string &name : names) {
		std::string path = dir + "/" + name;
		Fd program(bpf_obj_get(path.c_str()));
		std::optional<Filter> filter = parse_filter(name);

		/* the pin's name ends with the cookie, if the namespace is not the agent's own */
		auto at = std::ranges::find_if(spaces, [&](const Namespace &space) {
			return filter && name.ends_with(fmt::format("_{}_{}", space.cookie,
								    filter->interface));
		});
		if (program && filter && at == spaces.end())
			take_off(*filter, id_of<bpf_prog_info>(program.get()));
		if (program && filter && at != spaces.end())
			if (Result<Inside> inside = Inside::enter(*at); inside)
				take_off(*filter, id_of<bpf_prog_info>(program.get()));
		if (unlink(path.c_str()) && errno != ENOENT)
			return system_error("unpin", path);
	}
	return success();
}

} // namespace tp

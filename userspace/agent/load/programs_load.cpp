// SPDX-License-Identifier: BSD-2-Clause
/* Loading the programs: as many engines as the kernel, and who runs the agent, allows. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "agent/load/programs.h"
#include "base/log.h"
#include "base/maps.h"
#include "truepeer.skel.h"

namespace tp
{

/* What libbpf says while loading is worth reading only when loading fails. */
static std::string libbpf_output;

static int keep_output(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *text = nullptr;

	if (level == LIBBPF_DEBUG)
		return 0;
	int length = vasprintf(&text, format, arguments);
	if (length > 0)
		libbpf_output.append(text, (size_t)length);
	free(text);
	return length;
}

/*
 * Why the kernel did not take a program, in its own words: the verifier's last line before the
 * end of its log and its statistics, behind what the error number says.
 */
static std::string kernel_words(const Error &error)
{
	std::istringstream lines(libbpf_output);
	std::string last;
	bool inside = false;

	for (std::string line; std::getline(lines, line);) {
		if (line.find("-- BEGIN PROG LOAD LOG --") != std::string::npos)
			inside = true;
		else if (line.find("-- END PROG LOAD LOG --") != std::string::npos)
			inside = false;
		else if (inside && !line.empty() && !line.starts_with("processed ") &&
			 !line.starts_with("verification time ") &&
			 !line.starts_with("stack depth "))
			last = line;
	}
	return last.empty() ? error.reason : error.reason + ": " + last;
}

/* The program that the kernel has refused, as far as libbpf says. */
static std::string refused_program()
{
	static constexpr std::string_view before = "prog '", behind = "': BPF program load failed";
	size_t end = libbpf_output.find(behind);
	size_t start = end == std::string::npos ? end : libbpf_output.rfind(before, end);

	if (start == std::string::npos)
		return {};
	start += before.size();
	return libbpf_output.substr(start, end - start);
}

/* Whether the running kernel has this function for programs, as far as its BTF tells. */
static bool kernel_lacks(const char *function)
{
	btf *kernel = btf__load_vmlinux_btf();
	bool lacks = kernel && btf__find_by_name_kind(kernel, function, BTF_KIND_FUNC) < 0;

	btf__free(kernel);
	return lacks;
}

/* The verifier gives its reason in the last lines of a long log. */
static std::string end_of_output()
{
	static constexpr size_t enough = 2000;

	if (libbpf_output.size() <= enough)
		return libbpf_output;
	size_t line = libbpf_output.find('\n', libbpf_output.size() - enough);
	return "[...]" + libbpf_output.substr(line == std::string::npos ? 0 : line);
}

void Programs::Destroy::operator()(tp_truepeer *skeleton) const
{
	tp_truepeer__destroy(skeleton);
}

/* What all programs know. */
static void set_common(tp_truepeer *skeleton, const Setup &setup)
{
	skeleton->rodata->tp_mark = setup.mark;
	skeleton->rodata->tp_mark_sent_in = setup.mark_sent_in;
}

uint32_t lru_room(uint32_t wanted)
{
	static constexpr uint32_t step = 128; /* LOCAL_FREE_TARGET */
	int cpus = libbpf_num_possible_cpus();

	return wanted + step * ((cpus > 0 ? (uint32_t)cpus : 1) + 1);
}

/* The most that headers in pieces may take, each with its place in tp_pieces. */
static constexpr uint32_t pieces_memory = 256u << 20;

/*
 * For all that may wait at once, each with a header as long as it may be, as far as the memory goes.  All
 * of them at once are a rare thing: an attack, or every client behind one slow line.
 */
static uint32_t pieces_room(const Setup &setup)
{
	uint64_t parts = (setup.max_header + TP_PART - 1) / TP_PART;

	return (uint32_t)std::min<uint64_t>(setup.max_pending * parts,
					    pieces_memory / sizeof(tp_header_part));
}

static void set_ports(tp_truepeer *skeleton, const Setup &setup)
{
	for (const Listen &listen : setup.services)
		((uint64_t *)skeleton->rodata->tp_ports)[listen.port / 64] |= 1ull
									      << listen.port % 64;
}

/* What the tc programs know; `netns` is where these run. */
static Status set_tc_programs(tp_truepeer *skeleton, const Setup &setup, uint64_t netns)
{
	auto *data = skeleton->rodata;

	if (getrandom((void *)data->tp_isn_key, sizeof(data->tp_isn_key), 0) !=
	    sizeof(data->tp_isn_key))
		return system_error("read", "random numbers");
	data->tp_netns = netns;
	data->tp_cgroup_id = setup.cgroup.id;
	data->tp_cgroup_level = setup.cgroup.level.value_or(0);
	set_ports(skeleton, setup);
	return success();
}

static std::vector<bpf_program *> translate_programs(tp_truepeer *skeleton)
{
	return { skeleton->progs.tp_translate_in, skeleton->progs.tp_translate_out,
		 skeleton->progs.tp_translate_in_ip, skeleton->progs.tp_translate_out_ip };
}

/* The namespaces whose services this host's own sockets may connect to. */
static void set_sender(tp_truepeer *skeleton, const Setup &setup)
{
	set_ports(skeleton, setup);
	skeleton->rodata->tp_namespace_count = (uint32_t)setup.namespaces.size();
}

/* What an operator has set, what is told of the past, and what live connections stand on. */
static const char *const lasting_maps[] = { "tp_denied",       "tp_events",    "tp_events_early",
					    "tp_translations", "tp_ended",     "tp_wires",
					    "tp_wire_ports",   "tp_translated" };

/* Connections that have no socket yet are in these. */
static const char *const pending_maps[] = { "tp_pending",       "tp_pieces",  "tp_headers",
					    "tp_headers_large", "tp_sending", "tp_senders" };

static std::vector<std::string> maps_to_share(const Programs::Predecessor &predecessor)
{
	std::vector<std::string> names;

	if (predecessor.dir.empty())
		return names;
	names.assign(std::begin(lasting_maps), std::end(lasting_maps));
	if (predecessor.pending)
		names.insert(names.end(), std::begin(pending_maps), std::end(pending_maps));
	return names;
}

static Status share_maps(tp_truepeer *skeleton, const Programs::Predecessor &predecessor)
{
	for (const std::string &name : maps_to_share(predecessor)) {
		Result<Fd> map = open_map(predecessor.dir, name, Access::write);

		if (!map)
			return map.error();
		int failed = bpf_map__reuse_fd(
			bpf_object__find_map_by_name(skeleton->obj, name.c_str()), map->get());
		if (failed)
			return system_error("share map", predecessor.dir + "/" + name, failed);
	}
	return success();
}

Result<Programs::Skeleton> Programs::open_and_load(const Setup &setup,
						   const Predecessor &predecessor)
{
	bool handshake = setup.no_handshake.empty(), sender = setup.no_sender.empty();

	libbpf_output.clear();
	libbpf_set_print(keep_output);
	Skeleton opened(tp_truepeer__open());
	tp_truepeer *skeleton = opened.get();

	if (!skeleton)
		return system_error("open BPF object", "truepeer.bpf.o");
	set_common(skeleton, setup);
	/* room for all that may be told at once that there is some */
	uint32_t pending = lru_room(setup.max_pending), most = setup.max_connections + pending;
	bpf_map__set_max_entries(skeleton->maps.tp_origins, most);
	/* about as many may be in TIME_WAIT; when there are more, the oldest go.  A power of two, or the
	   kernel makes up to twice as many buckets */
	bpf_map__set_max_entries(skeleton->maps.tp_translations, std::bit_floor(2 * most));
	bpf_map__set_max_entries(skeleton->maps.tp_ended, 2 * most);
	bpf_map__set_max_entries(skeleton->maps.tp_wires, 2 * most); /* two each */
	bpf_map__set_max_entries(skeleton->maps.tp_headers, setup.max_connections);
	bpf_map__set_max_entries(skeleton->maps.tp_services, service_keys(setup));
	bpf_map__set_max_entries(skeleton->maps.tp_namespaces, (uint32_t)setup.names.size());
	bpf_map__set_max_entries(skeleton->maps.tp_pending, pending);
	bpf_map__set_max_entries(skeleton->maps.tp_pieces, pieces_room(setup));
	bpf_map__set_max_entries(skeleton->maps.tp_sending, setup.max_pending);
	bpf_program__set_autoload(skeleton->progs.tp_handshake, handshake);
	bpf_program__set_autoload(skeleton->progs.tp_sender, sender);
	bpf_program__set_autoload(skeleton->progs.tp_getsockopt, setup.getsockopt_cgroup >= 0);
	skeleton->rodata->tp_original_dst = setup.original_dst;
	if (sender)
		set_sender(skeleton, setup);
	Status set = set_tc_programs(skeleton, setup, setup.namespaces.front());
	if (!set)
		return set.error();
	Status shared = share_maps(skeleton, predecessor);
	if (!shared)
		return shared.error();
	int failed = tp_truepeer__load(skeleton);
	if (failed) {
		Error error = system_error("load BPF programs", "truepeer.bpf.o", failed);

		error.reason = kernel_words(error);
		return error;
	}
	return opened;
}

/*
 * What `program` needs is said only where that is missing; where the kernel has it and refuses
 * the program all the same, its whole message is logged, too: it is worth a bug report.
 */
static std::string why_not_loaded(const Error &error, const std::string &program)
{
	if (program == "tp_handshake" && kernel_lacks("bpf_sk_assign_tcp_reqsk"))
		return "this kernel lacks what it needs: Linux 6.9 or later, with "
		       "CONFIG_SYN_COOKIES";
	std::string failed = refused_program();
	if (failed == program)
		log("{}", end_of_output());
	return fmt::format("the kernel does not take {}: {}", failed.empty() ? program : failed,
			   error.reason);
}

/*
 * A program is there when it can be loaded: what a kernel's version promises, or a
 * probe finds, may not be so.  Where it cannot be, its engine is given up.
 */
Result<Programs::Skeleton> Programs::load_what_can_be(Setup &setup, const Predecessor &predecessor)
{
	for (;;) {
		Result<Skeleton> loaded = open_and_load(setup, predecessor);

		if (loaded)
			return loaded;
		std::string program = refused_program();
		bool any = program.empty();
		if (setup.no_handshake.empty() && (any || program == "tp_handshake")) {
			setup.no_handshake = why_not_loaded(loaded.error(), "tp_handshake");
		} else if (setup.no_sender.empty() && (any || program == "tp_sender")) {
			setup.no_sender = why_not_loaded(loaded.error(), "tp_sender");
		} else {
			return loaded;
		}
	}
}

static void copy_text(const std::string &text, char *to, size_t size)
{
	std::memset(to, 0, size);
	text.copy(to, size - 1);
}

Result<Programs> Programs::load(Setup setup, const Predecessor &predecessor)
{
	Result<Skeleton> loaded = load_what_can_be(setup, predecessor);

	if (!loaded) {
		log("{}", end_of_output());
		return loaded.error();
	}
	Programs programs(std::move(*loaded));
	programs.shares_ = !predecessor.dir.empty() && predecessor.pending;
	programs.shared_ = maps_to_share(predecessor);
	programs.give_up_handshake(setup.no_handshake);
	programs.config_.scope = setup.scope;
	copy_text(setup.pin_dir, programs.config_.pin_dir, sizeof(programs.config_.pin_dir));
	programs.no_sender_ = setup.no_sender;
	copy_text(setup.no_sender, programs.config_.no_sender, sizeof(programs.config_.no_sender));
	Status done = success();
	programs.only_translate_ = setup.only_translate;
	for (size_t i = 1; i < setup.namespaces.size() && done; i++) {
		Result<Skeleton> copy = programs.load_more(setup, setup.namespaces[i]);

		if (copy)
			programs.more_.push_back(std::move(*copy));
		else
			done = copy.error();
	}
	if (done)
		done = programs.fill(setup);
	if (!done)
		return done.error();
	return programs;
}

Status Programs::enter(const Setup &setup, size_t space)
{
	Result<Skeleton> copy = load_more(setup, setup.namespaces[space]);

	if (!copy)
		return copy.error();
	more_[space - 1] = std::move(*copy);
	return success();
}

/* One more copy of the tc programs, on the same maps. */
Result<Programs::Skeleton> Programs::load_more(const Setup &setup, uint64_t netns)
{
	Skeleton copy(tp_truepeer__open());
	bpf_program *program;
	bpf_map *map;

	if (!copy)
		return system_error("open BPF object", "truepeer.bpf.o");
	bpf_object__for_each_program(program, copy->obj) bpf_program__set_autoload(
		program, no_handshake_.empty() && program == copy->progs.tp_handshake);
	for (bpf_program *one : translate_programs(copy.get()))
		bpf_program__set_autoload(one, true);
	bpf_object__for_each_map(map, copy->obj)
	{
		const bpf_map *own =
			bpf_object__find_map_by_name(skeleton_->obj, bpf_map__name(map));

		if (!bpf_map__is_internal(map) && bpf_map__reuse_fd(map, bpf_map__fd(own)))
			return system_error("share map", bpf_map__name(map));
	}
	Status set = set_tc_programs(copy.get(), setup, netns);
	if (!set)
		return set.error();
	set_common(copy.get(), setup);
	int failed = tp_truepeer__load(copy.get());
	if (failed)
		return system_error("load BPF programs", "for namespace " + std::to_string(netns),
				    failed);
	return copy;
}

void Programs::give_up_handshake(const std::string &why)
{
	no_handshake_ = why;
	copy_text(why, config_.no_handshake, sizeof(config_.no_handshake));
}

} // namespace tp

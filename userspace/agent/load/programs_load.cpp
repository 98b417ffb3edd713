// SPDX-License-Identifier: BSD-2-Clause
/* Loads the programs of as many engines as the kernel and the agent's privileges allow. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <span>

#include <fmt/core.h>

#include "agent/load/engines/engines.h"
#include "agent/load/load_log.h"
#include "agent/load/programs.h"
#include "base/log.h"
#include "base/maps.h"
#include "truepeer.skel.h"

namespace tp
{

void Programs::Destroy::operator()(tp_truepeer *skeleton) const
{
	tp_truepeer__destroy(skeleton);
}

/* Configuration of all programs. */
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

/* The most memory that headers in pieces may take, each with its entry in tp_pieces. */
static constexpr uint32_t pieces_memory = 256u << 20;

/*
 * Room for all connections that may wait at once, each with the longest header that is allowed, as
 * far as the memory goes. All of them at once are rare: an attack, or every client behind one slow
 * line.
 */
static uint32_t pieces_room(const Setup &setup)
{
	uint64_t parts = (setup.max_header() + TP_PART - 1) / TP_PART;

	return (uint32_t)std::min<uint64_t>(setup.max_pending * parts,
					    pieces_memory / sizeof(tp_header_part));
}

static void set_autoload(bpf_object *object, const Engine &engine, bool load)
{
	for (const std::string &name : engine.programs())
		bpf_program__set_autoload(bpf_object__find_program_by_name(object, name.c_str()),
					  load);
}

/* Configuration of the tc programs. `netns` is the namespace in which these run. */
static Status set_tc_programs(tp_truepeer *skeleton, const Setup &setup, uint64_t netns)
{
	auto *data = skeleton->rodata;

	if (getrandom((void *)data->tp_isn_key, sizeof(data->tp_isn_key), 0) !=
	    sizeof(data->tp_isn_key))
		return system_error("read", "random numbers");
	data->tp_netns = netns;
	data->tp_cgroup_id = setup.cgroup.id;
	data->tp_cgroup_level = setup.cgroup.level.value_or(0);
	return success();
}

/*
 * Maps to share with a predecessor: what an operator has set, the history, and what live
 * connections need.
 */
static const char *const lasting_maps[] = { "tp_denied",       "tp_events",    "tp_events_early",
					    "tp_translations", "tp_ended",     "tp_wires",
					    "tp_wire_ports",   "tp_translated" };

/* The maps of connections that have no socket yet. */
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
		Fd map = TP_TRY(open_map(predecessor.dir, name, Access::write));
		int failed = bpf_map__reuse_fd(
			bpf_object__find_map_by_name(skeleton->obj, name.c_str()), map.get());

		if (failed)
			return system_error("share map", predecessor.dir + "/" + name, failed);
	}
	return success();
}

/* Entries of tp_namespaces. */
static uint32_t namespace_slots(const Setup &setup)
{
	return (uint32_t)setup.names.size() + (setup.all_namespaces ? most_found_namespaces : 0);
}

/* Sizes the maps for --netns auto, or makes them as small as possible without it. */
static void set_for_all_namespaces(tp_truepeer *skeleton, const Setup &setup)
{
	bpf_map__set_max_entries(skeleton->maps.tp_namespaces, namespace_slots(setup));
	if (setup.all_namespaces) {
		skeleton->rodata->tp_home = setup.namespaces.front();
		/* do not preallocate: most entries will never be used */
		bpf_map__set_map_flags(skeleton->maps.tp_services, BPF_F_NO_PREALLOC);
		return;
	}
	bpf_map__set_max_entries(skeleton->maps.tp_uncovered, 1);
	bpf_map__set_max_entries(skeleton->maps.tp_listeners, (uint32_t)sysconf(_SC_PAGESIZE));
}

Result<Programs::Skeleton> Programs::open_and_load(const Setup &setup,
						   const Predecessor &predecessor)
{
	begin_load_log();
	Skeleton opened(tp_truepeer__open());
	tp_truepeer *skeleton = opened.get();

	if (!skeleton)
		return system_error("open BPF object", "truepeer.bpf.o");
	set_common(skeleton, setup);
	/* all waiting connections may be told at once that there is room, so there must be room */
	uint32_t pending = lru_room(setup.max_pending), most = setup.max_connections + pending;
	bpf_map__set_max_entries(skeleton->maps.tp_origins, most);
	/*
	 * about as many connections again may be in TIME_WAIT; if there are more, the oldest are
	 * removed. The size is a power of two, because otherwise the kernel makes up to twice as
	 * many buckets.
	 */
	bpf_map__set_max_entries(skeleton->maps.tp_translations, std::bit_floor(2 * most));
	bpf_map__set_max_entries(skeleton->maps.tp_ended, 2 * most);
	bpf_map__set_max_entries(skeleton->maps.tp_wires, 2 * most); /* each has two entries */
	bpf_map__set_max_entries(skeleton->maps.tp_headers, setup.max_connections);
	bpf_map__set_max_entries(skeleton->maps.tp_services, service_room(setup));
	bpf_map__set_max_entries(skeleton->maps.tp_counters, service_ids(setup));
	set_for_all_namespaces(skeleton, setup);
	bpf_map__set_max_entries(skeleton->maps.tp_pending, pending);
	bpf_map__set_max_entries(skeleton->maps.tp_pieces, pieces_room(setup));
	bpf_map__set_max_entries(skeleton->maps.tp_sending, setup.max_pending);
	for (const Engine *engine : all_engines())
		set_autoload(skeleton->obj, *engine, setup.engines.serves(*engine));
	bpf_program__set_autoload(skeleton->progs.tp_getsockopt, setup.getsockopt_cgroup >= 0);
	skeleton->rodata->tp_original_dst = setup.original_dst;
	/* how many namespaces the sender engine looks through; 0 without the sender engine */
	if (setup.engines.follow_proxies())
		skeleton->rodata->tp_namespace_count = namespace_slots(setup);
	TP_TRY(set_tc_programs(skeleton, setup, setup.namespaces.front()));
	TP_TRY(share_maps(skeleton, predecessor));
	int failed = tp_truepeer__load(skeleton);
	if (failed) {
		Error error = system_error("load BPF programs", "truepeer.bpf.o", failed);

		error.reason = kernel_words(error);
		return error;
	}
	return opened;
}

/*
 * Names what the engine needs only if the kernel lacks it. If the kernel has it and refuses the
 * program all the same, the kernel's whole message is logged, too, because it is worth a bug
 * report.
 */
static std::string why_not_loaded(const Error &error, const Engine &engine)
{
	std::string missing = engine.missing_in_kernel(), failed = refused_program();

	if (whole_load_log_is_wanted() || (missing.empty() && !failed.empty()))
		log("{}", end_of_load_log());
	if (!missing.empty())
		return "this kernel lacks what it needs: " + missing;
	return fmt::format("the kernel refuses to load {}: {}",
			   failed.empty() ? engine.programs().front() : failed, error.reason);
}

/*
 * A program is supported if it can be loaded. What a kernel's version promises, or a probe finds,
 * may be wrong. If a program cannot be loaded, its engine is given up.
 */
Result<Programs::Skeleton> Programs::load_what_can_be(Setup &setup, const Predecessor &predecessor)
{
	for (;;) {
		Result<Skeleton> loaded = open_and_load(setup, predecessor);

		if (loaded)
			return loaded;
		const Engine *engine = setup.engines.dispensable(refused_program());
		if (!engine)
			return loaded;
		setup.engines.give_up(*engine, why_not_loaded(loaded.error(), *engine));
	}
}

Result<Programs> Programs::load(Setup setup, const Predecessor &predecessor)
{
	Result<Skeleton> loaded = load_what_can_be(setup, predecessor);

	if (!loaded) {
		log("{}", end_of_load_log());
		return loaded.error();
	}
	Programs programs(std::move(*loaded));
	programs.shares_ = !predecessor.dir.empty() && predecessor.pending;
	programs.shared_ = maps_to_share(predecessor);
	programs.engines_ = setup.engines;
	for (const Engine *engine : all_engines())
		copy_text(setup.engines.why_not(*engine), engine->why_not(programs.config_));
	programs.config_.scope = setup.scope;
	copy_text(setup.pin_dir, programs.config_.pin_dir);
	copy_text(setup.config_file, programs.config_.config_file);
	for (size_t i = 1; i < setup.namespaces.size(); i++)
		programs.more_.push_back(TP_TRY(programs.load_more(setup, setup.namespaces[i])));
	if (setup.all_namespaces)
		programs.anywhere_ = TP_TRY(programs.load_more(setup, 0));
	TP_TRY(programs.fill(setup));
	return programs;
}

Status Programs::enter(const Setup &setup, size_t space)
{
	Skeleton copy = TP_TRY(load_more(setup, setup.namespaces[space]));

	more_[space - 1] = std::move(copy);
	return success();
}

/* Loads one more copy of the tc programs, on the same maps. */
Result<Programs::Skeleton> Programs::load_more(const Setup &setup, uint64_t netns)
{
	Skeleton copy(tp_truepeer__open());
	bpf_program *program;
	bpf_map *map;

	if (!copy)
		return system_error("open BPF object", "truepeer.bpf.o");
	bpf_object__for_each_program(program, copy->obj) bpf_program__set_autoload(program, false);
	for (const Engine *engine : all_engines())
		if (engine->runs_at_tc())
			set_autoload(copy->obj, *engine, engines_.serves(*engine));
	bpf_object__for_each_map(map, copy->obj)
	{
		const bpf_map *own =
			bpf_object__find_map_by_name(skeleton_->obj, bpf_map__name(map));

		/*
		 * the copies have data of their own, but share the part that the agent changes
		 * later
		 */
		bool shared = !bpf_map__is_internal(map) || own == skeleton_->maps.data_tp_ports ||
			      own == skeleton_->maps.data_tp_trace;
		if (shared && bpf_map__reuse_fd(map, bpf_map__fd(own)))
			return system_error("share map", bpf_map__name(map));
	}
	TP_TRY(set_tc_programs(copy.get(), setup, netns));
	set_common(copy.get(), setup);
	int failed = tp_truepeer__load(copy.get());
	if (failed)
		return system_error("load BPF programs", "for namespace " + std::to_string(netns),
				    failed);
	return copy;
}

bool Programs::give_up_at_tc(const std::string &why)
{
	const Engine *engine = engines_.is_auto() ? engines_.dispensable("") : nullptr;

	if (!engine || !engine->runs_at_tc())
		return false;
	engines_.give_up(*engine, why);
	copy_text(why, engine->why_not(config_));
	return true;
}

} // namespace tp

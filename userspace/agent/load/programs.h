/* SPDX-License-Identifier: BSD-2-Clause */
/* The BPF object: loaded, filled with the configuration, attached, pinned. */
#ifndef TP_AGENT_PROGRAMS_H
#define TP_AGENT_PROGRAMS_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/load/engines/engines.h"
#include "agent/load/services.h"
#include "agent/load/tc_hook.h"
#include "agent/setup.h"
#include "base/fd.h"
#include "base/result.h"
#include "bpf/abi.h"

struct tp_truepeer;

namespace tp
{

/*
 * How many entries an LRU map needs to hold the latest `wanted`, whatever the CPUs are doing. Each
 * possible CPU may keep 128 free entries to itself, and the map evicts up to 128 of its oldest as
 * soon as there are fewer free ones than that for all (kernel/bpf/bpf_lru_list.c).
 */
uint32_t lru_room(uint32_t wanted);

/* How many namespaces the agent may find at once (--netns auto). */
inline constexpr uint32_t most_found_namespaces = 4096;

/* What the kernel frees some time after its last descriptor, pin and link has gone. */
struct Remains {
	std::vector<uint32_t> programs, maps; /* the kernel's numbers of these */
};

/* Waits until the kernel has freed it, for at most a second or two. */
void wait_until_freed(const Remains &remains);

class Programs
{
public:
	/* A predecessor that was killed, and what is taken over from it. */
	struct Predecessor {
		std::string dir;     /* its pin directory; empty if there is no predecessor */
		bool pending = true; /* whether to take over its connections without a socket */
	};
	/*
	 * Loads the programs and fills the maps.  No connection is taken before start().  engines()
	 * says which engines could not be loaded, and why.
	 */
	static Result<Programs> load(Setup setup, const Predecessor &predecessor);
	Programs(Programs &&) = default;
	Programs &operator=(Programs &&) = default;

	/* Attaches the gate last, after everything that it depends on. */
	Status attach(int cgroup);
	Status attach_getsockopt(int cgroup);
	/*
	 * The kernel's number of the first link that attach() has made, or 0 if it does not tell.
	 */
	uint32_t link_id() const;

	/* From here on connections are taken, or handled as `how` says. */
	Status start(tp_draining how = TP_DRAINING_NOT);

	/* Tells the programs that the agent ends, and that they go on without it. */
	Status tell_end();
	/* Call it from time to time: refreshes values that programs cannot ask the kernel for. */
	Status refresh(bool may_send);
	/* Tells `status` on how many interfaces the tc programs had to be attached again. */
	void count_put_back(uint32_t interfaces) { config_.hooks_put_back += interfaces; }
	/*
	 * Notes that a reload begins. A command that asks for one from now on waits for the next.
	 */
	void count_reload();
	/* Tells `status` and `reload` what came of reading the configuration again. */
	Status tell_reload(const Status &done, const std::string &text);
	/* Tells the programs whether tp_routes has any entry. */
	Status set_routes(bool any);

	/* The engines, and which of them serve. */
	const EngineChoice &engines() const { return engines_; }
	/*
	 * The tc programs of the namespace at this index of Setup::namespaces, in the order in
	 * which they see a packet.
	 */
	std::vector<TcPrograms> tc_programs(size_t space) const;
	/* The tc programs of all namespaces that the agent finds by itself. */
	std::vector<TcPrograms> tc_programs_anywhere() const;
	/* Gives up the best engine, which cannot be attached. Returns false if it is needed. */
	bool give_up_at_tc(const std::string &why);
	/* Loads the program again for another namespace at this index, which is not the first. */
	Status enter(const Setup &setup, size_t space);
	/* Moves the services of one namespace to another. */
	Status move_services(uint64_t from, uint64_t to);
	Status tell_namespace(size_t space, uint64_t cookie, tp_namespace_state state);
	/* Pins maps and links in `dir`, readable for `group` if one is given. */
	Status pin(const std::string &dir, std::optional<uint32_t> group);

	/* The maps that the agent changes while the programs run. */
	Services service_maps() const;
	uint32_t service_capacity() const; /* how many entries tp_services may have */
	int denied() const;
	int pending() const;
	int pieces() const;
	int routes() const;
	int origins() const;
	int actions() const;
	int services() const;
	int namespaces() const;
	int uncovered() const;
	int listeners() const;
	int policies() const;
	int counters() const;
	int events() const;
	int early_events() const;
	int own_addresses() const;
	int headers() const;
	int translations() const;
	int ended() const;
	int wires() const;
	int large_headers() const;
	/* tp_agent_report, which is run with a struct tp_agent_report. */
	int reporter() const;
	bool shares() const { return shares_; }

	/* For waiting until the kernel has freed it. */
	Remains remains() const;

private:
	struct Destroy {
		void operator()(tp_truepeer *skeleton) const;
	};
	using Skeleton = std::unique_ptr<tp_truepeer, Destroy>;

	explicit Programs(Skeleton skeleton) : skeleton_(std::move(skeleton)) {}
	static Result<Skeleton> open_and_load(const Setup &setup, const Predecessor &predecessor);
	static Result<Skeleton> load_what_can_be(Setup &setup, const Predecessor &predecessor);
	Result<Skeleton> load_more(const Setup &setup, uint64_t netns);
	Status fill(const Setup &setup);
	Status fill_namespaces(const Setup &setup);
	std::vector<TcPrograms> tc_programs_of(const Skeleton &skeleton) const;
	Status write_config() const;

	Skeleton skeleton_;
	std::vector<Skeleton> more_; /* the tc programs for further namespaces */
	Skeleton anywhere_; /* and those for all that the agent finds, if it looks for any */
	EngineChoice engines_;
	bool shares_ = false;             /* it shares tp_pending with a predecessor */
	std::vector<std::string> shared_; /* names of maps */
	tp_config_entry config_ = {};
	std::vector<std::pair<std::string, Fd>> links_;
	Fd held_; /* the directory of the pins */
};

} // namespace tp

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network namespaces that the agent finds by itself (`--netns auto`): those in which a process
 * listens on a service's port, below the cgroup of the programs.
 *
 * The programs tell of such a listener when it begins, or when a SYN meets it (tp_listeners). They
 * let nothing reach it until tp_services has the service under the namespace's cookie. That comes
 * last here, when the tc programs are on the namespace's interfaces and everything else is known.
 * Then the SYNs that were kept are sent in.
 *
 * A namespace ends with its last process, so nothing here stays open in it. It is opened for each
 * piece of work, and closed again. One socket of the agent's own namespace tells of what changes in
 * it, and of its end (NamespaceIds).
 */
#ifndef TP_AGENT_CONTAINERS_H
#define TP_AGENT_CONTAINERS_H

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/enforce/enforcer.h"
#include "agent/load/programs.h"
#include "agent/loop.h"
#include "agent/watch/failure_log.h"
#include "agent/watch/interfaces.h"
#include "agent/watch/listening.h"
#include "agent/watch/namespace.h"
#include "agent/watch/namespace_ids.h"
#include "agent/watch/own_addresses.h"
#include "agent/watch/routes.h"
#include "agent/watch/way_in.h"
#include "base/flow.h"
#include "base/result.h"
#include "base/ring_buffer.h"

namespace tp
{

/* Whether `--netns auto` is among the namespaces that were asked for. It is taken out. */
bool take_auto(std::vector<std::string> &namespaces);

/* Fails with a hint if the process lacks a privilege that this needs. */
Status check_rights_for_containers();

class Containers
{
public:
	/* These are borrowed. */
	struct Parts {
		Setup &setup;
		Programs &programs;
		Enforcer &enforcer;
		Loop &loop;
		std::vector<std::string> only; /* --interface */
		std::string cgroup;            /* where it is mounted; empty: all of this host's */
		std::function<Status()> set_routes; /* tells the programs whether any_routes() */
	};
	/* The programs must be loaded, and sockops attached, so that no listener is missed. */
	static Result<std::unique_ptr<Containers>> open(Parts parts);
	Containers(const Containers &) = delete;
	~Containers();

	/*
	 * Covers the namespaces that have listeners already, and those in which the agent with
	 * these pins, a predecessor, has covered some.
	 */
	Status cover_existing(const std::string &predecessor);

	/*
	 * The interfaces whose programs must be pinned. pins_are_in() says where they were pinned.
	 */
	std::vector<Interfaces *> interfaces();
	void pins_are_in(const std::string &dir) { dir_ = dir; }

	/* From here on the loop calls this when something has changed. */
	Status watch();
	/* Call it from time to time. */
	void tick();

	/*
	 * Call it after the services of the agent's own namespace have changed in tp_services. It
	 * updates those of all covered namespaces, and looks for listeners of new services.
	 */
	void services_changed();

	/* Undoes everything that is not removed with the pins. */
	void stop();

	/* Detaches the tc programs in all of these namespaces that still exist. */
	void detach();

	bool any_routes() const;
	size_t count() const { return found_.size(); }

private:
	using Clock = std::chrono::steady_clock;
	using ServiceKeys = std::set<tp_service_key, KeyLess<tp_service_key>>;

	/* A namespace that is covered. */
	struct Found {
		Namespace space; /* open only while somebody works in it */
		WayIn way;
		int id = -1; /* the kernel's number */
		uint32_t slot = 0;
		ServiceKeys services; /* its keys of tp_services */
		std::optional<Interfaces> interfaces;
		std::optional<Routes> routes;
		std::optional<OwnAddresses> own;
		Clock::time_point next_read = {}; /* when its interfaces may be read again */
		Clock::time_point next_look = {}; /* by look_after() */
	};
	/* A namespace that cannot be covered. */
	struct Closed {
		WayIn way;
		Hint hint;
		uint32_t slot = 0;
		Clock::time_point since, next;
		std::chrono::seconds pause{ 1 };
	};
	/* A service of the agent's own namespace, as tp_services has it. */
	struct Template {
		tp_service_key key;
		tp_service value;
	};
	/* Keeps a namespace open while the object lives. */
	class Visit;

	explicit Containers(Parts parts) : parts_(std::move(parts)) {}

	/* containers.cpp: what is told, and when */
	static int take(void *self, void *record, size_t size);
	void handle(const tp_listener &record);
	void settle(uint64_t cookie);
	void retry_closed();
	bool is_given(uint64_t cookie) const;
	Status cover_listeners(const WayIn &way, const std::set<uint64_t> &cgroups);
	void cover_predecessors(const std::string &dir);

	/* containers_follow.cpp: what changes in those that are covered */
	void handle_event(int id, NamespaceIds::Event event);
	void read_interfaces(Found &found);
	void go_on(Found &found);
	void look_after(Found &found);

	/* containers_cover.cpp: covering one, and the end of that */
	Status read_templates();
	bool may_serve(const Template &service, const Address &listener) const;
	bool is_wanted(const Address &listener, uint16_t port) const;
	Result<Found *> cover(uint64_t cookie, uint32_t inode, const Hint &hint);
	Status enter(Found &fresh);
	Status enter_services(Found &found, uint16_t port);
	Status update_services(Found &found);
	void shut(uint64_t cookie, uint32_t inode, const Hint &hint, const Error &why);
	void reopen(uint64_t cookie);
	void end(uint64_t cookie);
	Result<uint32_t> take_slot();
	void show(uint32_t slot, uint64_t cookie, const WayIn &way, tp_namespace_state state);
	void free_slot(uint32_t slot);

	Parts parts_;
	std::optional<NamespaceIds> ids_;
	RingBuffer ring_;
	unsigned records_ = 0; /* handled in a row */
	/* by port; those that are entered first come first */
	std::map<uint16_t, std::vector<Template>> templates_;
	std::map<uint64_t, std::unique_ptr<Found>> found_; /* by cookie */
	std::map<uint64_t, Closed> closed_;
	std::map<int, uint64_t> by_id_; /* cookies */
	std::vector<bool> slots_;       /* of tp_namespaces, which are taken */
	std::string dir_;               /* where the pins are; empty: nothing is pinned yet */
	uint64_t next_looked_after_ = 0;
	FailureLog failures_;
};

} // namespace tp

#endif

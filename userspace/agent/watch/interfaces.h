/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tc programs of the handshake and the translate engine on the interfaces of a network
 * namespace, both those that exist and those that appear later.
 */
#ifndef TP_AGENT_INTERFACES_H
#define TP_AGENT_INTERFACES_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/load/tc_hook.h"
#include "agent/watch/followed.h"
#include "agent/watch/namespace.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

class Interfaces : public Followed
{
public:
	/*
	 * `only` has names of interfaces. If it is empty, all interfaces are meant that carry
	 * Ethernet frames, and loopback, unless they are ports of a bridge or a bond. With programs
	 * for them, those that carry IP packets are meant, too.
	 */
	static Result<Interfaces> open(const Namespace &space, std::vector<TcPrograms> programs,
				       std::vector<std::string> only, Told told = Told::by_socket);

	/*
	 * Attaches the programs where they are missing. The interfaces in `only` must exist at
	 * first.
	 */
	Status attach(bool first);

	/* Detaches the programs from all interfaces. */
	void detach();

	/* From here on links are pinned in `dir`, and unpinned when their interface goes. */
	Status pin_in(const std::string &dir);
	/* That directory has been renamed. */
	void pins_moved(const std::string &dir) { dir_ = dir; }

	/* Attaches again what somebody else has removed. Returns on how many interfaces. */
	Result<size_t> put_back();

	/* On how many interfaces the first engine's programs are. */
	size_t count() const;

private:
	Result<Progress> read_some(Clock::time_point deadline) override;

	struct Interface {
		uint32_t index;
		std::string name;
		bool usable;
		bool has_link_header;
	};
	struct Attached {
		/* its pin's name, without the part that tells the kinds of hooks apart */
		std::string pin;
		TcHook hook;
	};
	explicit Interfaces(const Namespace &space) : space_(&space) {}
	Result<std::vector<Interface>> list(bool &certain) const;
	Result<Progress> attach_to_all(bool first);
	std::string pin_name(uint32_t index, const TcPrograms &programs, TcWay way) const;
	bool is_wanted(const TcPrograms &programs, const std::string &name) const;
	Status attach_one(const Interface &interface, const TcPrograms &programs, TcWay way);
	void drop(uint32_t index);
	Status attach_to(const Interface &interface);

	const Namespace *space_;
	uint64_t cookie_ = 0; /* cookie of the namespace, which may be another one later */
	std::vector<TcPrograms>
		programs_; /* of each engine, in the order in which they see a packet */
	std::vector<std::string> only_;
	std::string dir_;
	std::map<uint32_t, std::vector<Attached>> hooks_; /* by interface */
};

} // namespace tp

#endif

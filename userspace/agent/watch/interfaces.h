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
	 * `only` has the names of the interfaces. If it is empty, the programs are attached to
	 * loopback and to all interfaces that carry Ethernet frames, except ports of a bridge or a
	 * bond. Programs that have a version for devices without a link header are attached to such
	 * devices, too.
	 */
	static Result<Interfaces> open(const Namespace &space, std::vector<TcPrograms> programs,
				       std::vector<std::string> only, Told told = Told::by_socket);

	/*
	 * Attaches the programs where they are missing. With `first`, it fails if an interface in
	 * `only` does not exist.
	 */
	Status attach(bool first);

	/* Detaches the programs from all interfaces. */
	void detach();

	/*
	 * Pins the links in `dir`, now and later, and unpins them when their interface disappears.
	 */
	Status pin_in(const std::string &dir);
	/* Call it when that directory has been renamed. */
	void pins_moved(const std::string &dir) { dir_ = dir; }

	/* Attaches programs again that somebody has removed. Returns the number of interfaces. */
	Result<size_t> put_back();

	/* The number of interfaces that have the first engine's programs. */
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

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handshake engine's program on the interfaces of a network namespace: those
 * that are there, and those that come.
 */
#ifndef TP_AGENT_INTERFACES_H
#define TP_AGENT_INTERFACES_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/followed.h"
#include "agent/namespace.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

class Interfaces : public Followed
{
public:
	/*
	 * `program`: borrowed.  `only`: names; empty: all that carry Ethernet frames, and
	 * loopback, unless they are ports of a bridge or a bond.
	 */
	static Result<Interfaces> open(const Namespace &space, int program,
				       std::vector<std::string> only);

	/* Attaches where the program is missing; names that `only` has must be there at first. */
	Status attach(bool first);

	/* Takes the program from all of them. */
	void detach();

	/* From here on links are pinned in `dir` and unpinned when their interface goes. */
	Status pin_in(const std::string &dir);
	/* That directory has been renamed. */
	void pins_moved(const std::string &dir) { dir_ = dir; }

	size_t count() const { return links_.size(); }

private:
	Result<Progress> read_some(Clock::time_point deadline) override;

	struct Interface {
		uint32_t index;
		std::string name;
		bool usable;
	};
	explicit Interfaces(const Namespace &space) : space_(&space) {}
	Result<std::vector<Interface>> list(bool &certain) const;
	Result<Progress> attach_to_all(bool first);
	std::string pin_path(uint32_t index) const;
	void drop(uint32_t index);
	Status attach_to(const Interface &interface);

	const Namespace *space_;
	uint64_t cookie_ = 0; /* of the namespace, which may be another one later */
	int program_ = -1;
	std::vector<std::string> only_;
	std::string dir_;
	std::map<uint32_t, Fd> links_;
};

} // namespace tp

#endif

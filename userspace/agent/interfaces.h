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

#include "agent/namespace.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

class Interfaces
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

	/* From here on links are pinned in `dir` and unpinned when their interface goes. */
	Status pin_in(const std::string &dir);
	/* That directory has been renamed. */
	void pins_moved(const std::string &dir) { dir_ = dir; }

	int fd() const { return events_.get(); }
	/* What fd() announced. */
	Status handle();

	size_t count() const { return links_.size(); }

private:
	struct Interface {
		uint32_t index;
		std::string name;
		bool usable;
	};
	explicit Interfaces(const Namespace &space) : space_(&space) {}
	Result<std::vector<Interface>> list() const;
	std::string pin_path(uint32_t index) const;
	void drop(uint32_t index);
	Status attach_to(const Interface &interface);

	const Namespace *space_;
	int program_ = -1;
	std::vector<std::string> only_;
	std::string dir_;
	Fd events_;
	std::map<uint32_t, Fd> links_;
};

} // namespace tp

#endif

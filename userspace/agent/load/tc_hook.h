/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program at an interface's tc hook: by a link (tcx, Linux 6.6), or as a filter of the clsact
 * qdisc, which other tools may have there, too, and which stays theirs.
 */
#ifndef TP_AGENT_TC_HOOK_H
#define TP_AGENT_TC_HOOK_H

#include <cstdint>
#include <string>

#include "agent/watch/namespace.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

enum class TcWay { in, out };

/* An engine's programs for it; borrowed, -1: it has none. */
struct TcPrograms {
	int in = -1, out = -1;
	int in_ip = -1, out_ip = -1; /* for devices without a link header */
	std::string name;            /* of their pins */
	bool everywhere = false;     /* whatever --interface says */
};

class TcHook
{
public:
	/* In the thread's namespace, which is `space`. */
	static Result<TcHook> attach(const Namespace &space, int program, uint32_t interface,
				     TcWay way);
	TcHook(TcHook &&other) noexcept;
	TcHook &operator=(TcHook &&) = delete;
	~TcHook(); /* takes it off, unless it is pinned */

	/* `name`: of the pin, without what tells the kinds apart. */
	Status pin(const std::string &dir, const std::string &name);
	/* Not: somebody has taken it off, or its interface is gone. */
	bool is_attached() const;
	/* Takes it off, and the pin in `dir` away. */
	void remove(const std::string &dir);

private:
	TcHook(const Namespace &space, int program) : space_(&space), program_(program) {}
	Status attach_filter(uint32_t interface, TcWay way);

	const Namespace *space_;
	int program_;
	Fd link_;
	std::string filter_; /* its pin, up to the name; empty: it is a link */
	std::string name_;   /* of the pin; empty: not pinned */
};

/*
 * Takes the filters off that are pinned in `dir`, as far as they are still its programs', and
 * unpins them.  In the thread's namespace.
 */
Status drop_filters(const std::string &dir);

} // namespace tp

#endif

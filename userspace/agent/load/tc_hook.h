/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program at an interface's tc hook. It is attached by a link (tcx, Linux 6.6), or as a filter of
 * the clsact qdisc. Other tools may use that qdisc, too, and their filters stay.
 */
#ifndef TP_AGENT_TC_HOOK_H
#define TP_AGENT_TC_HOOK_H

#include <cstdint>
#include <string>

#include <linux/bpf.h>

#include "agent/watch/namespace.h"
#include "agent/watch/rtnetlink.h"
#include "base/fd.h"
#include "base/result.h"

namespace tp
{

enum class TcWay { in, out };

bpf_attach_type tcx_attach_type(TcWay way);

/* Reads the filters of the clsact qdisc. Works in this thread's network namespace. */
Result<bool> dump_filters(uint32_t interface, TcWay way, const Dump::Reader &reader);

/* An engine's programs for an interface. Descriptors are borrowed, and -1 if there is none. */
struct TcPrograms {
	int in = -1, out = -1;
	int in_ip = -1, out_ip = -1; /* for devices without a link header */
	std::string name;            /* the part of their pins' names that is the engine's */
	bool everywhere = false;     /* on all interfaces, whatever --interface says */
	/*
	 * Whether to attach filters instead of links. Attaching a filter takes less than a
	 * millisecond; for a link, the kernel waits for all CPUs, which takes 20 ms and more.
	 */
	bool quickly = false;
};

class TcHook
{
public:
	/* Must be called in the thread's namespace, which is `space`. */
	static Result<TcHook> attach(const Namespace &space, int program, uint32_t interface,
				     TcWay way, bool quickly = false);
	TcHook(TcHook &&other) noexcept;
	TcHook &operator=(TcHook &&) = delete;
	~TcHook(); /* detaches it, unless it is pinned */

	/* `name` is the pin's name, without the part that tells the kinds apart. */
	Status pin(const std::string &dir, const std::string &name);
	/* False if somebody has removed it, or its interface is gone. */
	bool is_attached() const;
	/* Detaches it, and removes its pin in `dir`. */
	void remove(const std::string &dir);

private:
	TcHook(const Namespace &space, int program) : space_(&space), program_(program) {}
	Status attach_filter(uint32_t interface, TcWay way);

	const Namespace *space_;
	int program_;
	Fd link_;
	std::string filter_; /* the beginning of its pin's name; empty if it is a link */
	std::string name_;   /* the pin's name; empty if it is not pinned */
};

/*
 * Removes the filters that are pinned in `dir`, if they still have their own programs, and unpins
 * them. Must be called in the thread's namespace.
 */
Status drop_filters(const std::string &dir);

} // namespace tp

#endif

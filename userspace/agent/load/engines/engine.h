/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A way of removing the header, as the agent sees it: its BPF programs, what they need, and where
 * they go.  A new one is a file beside this, and a line in engines.cpp.
 */
#ifndef TP_AGENT_ENGINE_H
#define TP_AGENT_ENGINE_H

#include <span>
#include <string>
#include <vector>

#include "agent/load/cgroup.h"
#include "agent/load/tc_hook.h"
#include "base/result.h"
#include "bpf/abi.h"
#include "lib/names.h"

struct bpf_object;

namespace tp
{

class Engine
{
public:
	virtual ~Engine() = default;

	virtual tp_engine id() const = 0;
	/* As --engine and the output have it. */
	const char *name() const { return engine_name(id()); }

	/* Why it cannot work on this host, as far as that shows before it is loaded; empty: try. */
	virtual std::string probe(const CgroupPlace &) const { return {}; }

	/* The names of its programs, those that others are not loaded with. */
	virtual std::vector<std::string> programs() const = 0;

	/* What this kernel is known to lack, once it has not taken the programs; empty: nothing. */
	virtual std::string missing_in_kernel() const { return {}; }

	/* Attaches what belongs to no interface. */
	virtual Status attach(const bpf_object *) const { return success(); }

	/* Whether its programs are at the interfaces: each network namespace has a copy of its own. */
	virtual bool runs_at_tc() const { return false; }
	virtual TcPrograms tc_programs(const bpf_object *) const { return {}; }

	/* Where `status` finds why services do without it; empty: they never do. */
	virtual std::span<char> why_not(tp_config &) const { return {}; }

	/* The others rest on it: it is always loaded, and serves what they leave. */
	virtual bool is_basis() const { return false; }

	/* It serves clients from anywhere, not only proxies on this host. */
	virtual bool takes_all_clients() const { return true; }

	/* It is the TCP of connections that have no socket: it needs the host's routes. */
	virtual bool answers_clients() const { return false; }
};

/* The program's descriptor; -1: it is not loaded. */
int program_fd(const bpf_object *object, const char *name);

} // namespace tp

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A way of removing the header, as the agent sees it: its BPF programs, what they need, and where
 * they are attached. A new engine is a file beside this one, and a line in engines.cpp.
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
	/* Its name in --engine and in the output. */
	const char *name() const { return engine_name(id()); }

	/*
	 * Why it cannot work on this host, as far as that shows before it is loaded. If this is
	 * empty, it is tried.
	 */
	virtual std::string probe(const CgroupPlace &) const { return {}; }

	/* The names of its programs, which are loaded only with it. */
	virtual std::vector<std::string> programs() const = 0;

	/*
	 * What this kernel is known to lack, after it has refused the programs. Empty if nothing is
	 * known.
	 */
	virtual std::string missing_in_kernel() const { return {}; }

	/* Attaches what belongs to no interface. */
	virtual Status attach(const bpf_object *) const { return success(); }

	/*
	 * Whether its programs are at the interfaces. Each network namespace has a copy of its own.
	 */
	virtual bool runs_at_tc() const { return false; }
	virtual TcPrograms tc_programs(const bpf_object *) const { return {}; }

	/*
	 * The field in which `status` finds why services lack this engine; empty if none ever does.
	 */
	virtual std::span<char> why_not(tp_config_entry &) const { return {}; }

	/* Whether it is always loaded, and serves the connections that other engines leave. */
	virtual bool is_basis() const { return false; }

	/* Whether it serves clients from anywhere, and not only proxies on this host. */
	virtual bool takes_all_clients() const { return true; }

	/*
	 * Whether it is the TCP of connections that have no socket, and so needs the host's routes.
	 */
	virtual bool answers_clients() const { return false; }

	/* Whether sockops is to follow the sockets of proxies on this host. */
	virtual bool follows_proxies() const { return false; }
};

/* Returns the program's descriptor, or -1 if it is not loaded. */
int program_fd(const bpf_object *object, const char *name);

} // namespace tp

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* The handshake engine: TCP's connection begins after the header (Linux 6.9). */
#include <bpf/btf.h>

#include "agent/load/engines/engine.h"
#include "agent/load/host.h"

namespace tp
{

/* Whether the running kernel has this function for programs, according to its BTF. */
static bool kernel_lacks(const char *function)
{
	btf *kernel = btf__load_vmlinux_btf();
	bool lacks = kernel && btf__find_by_name_kind(kernel, function, BTF_KIND_FUNC) < 0;

	btf__free(kernel);
	return lacks;
}

class HandshakeEngine : public Engine
{
public:
	tp_engine id() const override { return TP_ENGINE_HANDSHAKE; }
	std::vector<std::string> programs() const override { return { "tp_handshake" }; }
	bool runs_at_tc() const override { return true; }
	bool answers_clients() const override { return true; }

	std::string probe(const CgroupPlace &cgroup) const override
	{
		if (!cgroup.level)
			return "the cgroup hierarchy's root is out of sight, so servers outside "
			       "the cgroup could not be told apart";
		if (read_sysctl("/proc/sys/net/ipv4/tcp_syncookies") == 0u)
			return "net.ipv4.tcp_syncookies is 0, and then the kernel takes no "
			       "connection from it";
		return {};
	}

	std::string missing_in_kernel() const override
	{
		return kernel_lacks("bpf_sk_assign_tcp_reqsk") ?
			       "Linux 6.9 or later, with CONFIG_SYN_COOKIES" :
			       "";
	}

	TcPrograms tc_programs(const bpf_object *object) const override
	{
		TcPrograms programs;

		programs.in = program_fd(object, "tp_handshake");
		programs.name = "tcx";
		return programs;
	}

	std::span<char> why_not(tp_config_entry &config) const override
	{
		return config.no_handshake;
	}
};

const Engine &handshake_engine()
{
	static const HandshakeEngine engine;

	return engine;
}

} // namespace tp

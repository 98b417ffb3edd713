// SPDX-License-Identifier: BSD-2-Clause
/* The sender engine: the header is taken out of what a proxy on this host sends. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/load/engines/engine.h"

namespace tp
{

class SenderEngine : public Engine
{
public:
	tp_engine id() const override { return TP_ENGINE_SENDER; }
	std::vector<std::string> programs() const override { return { "tp_sender" }; }
	bool takes_all_clients() const override { return false; }
	bool follows_proxies() const override { return true; }

	/* A link to a sockmap exists only from Linux 6.10 on. */
	Status attach(const bpf_object *object) const override
	{
		int failed = bpf_prog_attach(program_fd(object, "tp_sender"),
					     bpf_object__find_map_fd_by_name(object, "tp_sending"),
					     BPF_SK_MSG_VERDICT, 0);

		if (failed)
			return system_error("attach", "tp_sender to tp_sending", failed);
		return success();
	}

	std::span<char> why_not(tp_config_entry &config) const override { return config.no_sender; }
};

const Engine &sender_engine()
{
	static const SenderEngine engine;

	return engine;
}

} // namespace tp

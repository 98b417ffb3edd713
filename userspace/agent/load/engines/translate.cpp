// SPDX-License-Identifier: BSD-2-Clause
/* The translate engine: the numbers of segments are changed, so that TCP discards the header. */
#include "agent/load/engines/engine.h"

namespace tp
{

class TranslateEngine : public Engine
{
public:
	tp_engine id() const override { return TP_ENGINE_TRANSLATE; }
	std::vector<std::string> programs() const override
	{
		return { "tp_translate_in", "tp_translate_out", "tp_translate_in_ip",
			 "tp_translate_out_ip" };
	}
	bool is_basis() const override { return true; }
	bool runs_at_tc() const override { return true; }

	TcPrograms tc_programs(const bpf_object *object) const override
	{
		return { .in = program_fd(object, "tp_translate_in"),
			 .out = program_fd(object, "tp_translate_out"),
			 .in_ip = program_fd(object, "tp_translate_in_ip"),
			 .out_ip = program_fd(object, "tp_translate_out_ip"),
			 .name = "translate" };
	}
};

const Engine &translate_engine()
{
	static const TranslateEngine engine;

	return engine;
}

} // namespace tp

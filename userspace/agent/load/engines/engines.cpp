// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/engines/engines.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <utility>

namespace tp
{

/* One line for each engine; the file of that name defines the function. */
#define TP_ENGINE_FILES(X)                                                                         \
	X(handshake_engine)                                                                        \
	X(sender_engine)                                                                           \
	X(translate_engine)

#define DECLARE(function) const Engine &function();
#define POINT_TO(function) &function(),
TP_ENGINE_FILES(DECLARE)

std::span<const Engine *const> all_engines()
{
	static const Engine *const all[] = { TP_ENGINE_FILES(POINT_TO) };

	return all;
}

int program_fd(const bpf_object *object, const char *name)
{
	const bpf_program *program = bpf_object__find_program_by_name(object, name);

	return program ? bpf_program__fd(program) : -1;
}

EngineChoice::EngineChoice(std::string asked, const CgroupPlace &cgroup) : asked_(std::move(asked))
{
	for (const Engine *engine : all_engines()) {
		bool wanted = is_auto() || is_asked(*engine) || engine->is_basis();
		std::string why = wanted ? engine->probe(cgroup) : "--engine " + asked_;

		if (!why.empty())
			give_up(*engine, why);
	}
}

const std::string &EngineChoice::why_not(const Engine &engine) const
{
	static const std::string nothing;
	auto found = why_not_.find(&engine);

	return found == why_not_.end() ? nothing : found->second;
}

void EngineChoice::give_up(const Engine &engine, std::string why)
{
	why_not_[&engine] = std::move(why);
}

Status EngineChoice::check() const
{
	for (const Engine *engine : all_engines())
		if (is_asked(*engine) && !serves(*engine))
			return Error{ ErrorCode::incompatible, "start", "--engine " + asked_,
				      why_not(*engine),
				      "--engine auto uses the best engine that works" };
	return success();
}

const Engine *EngineChoice::dispensable(const std::string &program) const
{
	for (const Engine *engine : all_engines()) {
		std::vector<std::string> names = engine->programs();

		if (serves(*engine) && !engine->is_basis() &&
		    (program.empty() ||
		     std::find(names.begin(), names.end(), program) != names.end()))
			return engine;
	}
	return nullptr;
}

bool EngineChoice::any(bool (Engine::*does)() const) const
{
	return std::ranges::any_of(all_engines(), [&](const Engine *engine) {
		return serves(*engine) && (engine->*does)();
	});
}

/*
 * Engines after the first one that takes all clients are not named, because they only serve
 * connections that it leaves.
 */
std::string EngineChoice::text() const
{
	std::string names;

	for (const Engine *engine : all_engines()) {
		if (!serves(*engine))
			continue;
		names += (names.empty() ? "" : " and ") + std::string(engine->name());
		if (engine->takes_all_clients())
			break;
	}
	return names;
}

} // namespace tp

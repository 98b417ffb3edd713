/* SPDX-License-Identifier: BSD-2-Clause */
/* All engines, and which of them serve here. */
#ifndef TP_AGENT_ENGINES_H
#define TP_AGENT_ENGINES_H

#include <map>
#include <span>
#include <string>

#include "agent/load/engines/engine.h"
#include "base/result.h"

namespace tp
{

/* In the order in which --engine auto prefers them, and in which they see a packet. */
std::span<const Engine *const> all_engines();

class EngineChoice
{
public:
	EngineChoice() = default;
	/* `asked` is --engine, and `cgroup` is what the programs are attached to. */
	EngineChoice(std::string asked, const CgroupPlace &cgroup);

	bool is_auto() const { return asked_ == "auto"; }
	bool is_asked(const Engine &engine) const { return asked_ == engine.name(); }

	bool serves(const Engine &engine) const { return why_not(engine).empty(); }
	/* Returns an empty text if it serves. */
	const std::string &why_not(const Engine &engine) const;
	void give_up(const Engine &engine, std::string why);

	/* Fails if the engine that was asked for by name does not serve. */
	Status check() const;

	/*
	 * Returns the first engine that may be given up and has this program, or nullptr. Without a
	 * program, any engine will do.
	 */
	const Engine *dispensable(const std::string &program) const;

	/* Whether an engine that serves answers clients itself, or follows proxies' sockets. */
	bool answer_clients() const { return any(&Engine::answers_clients); }
	bool follow_proxies() const { return any(&Engine::follows_proxies); }

	/* "handshake", "sender and translate" */
	std::string text() const;

private:
	bool any(bool (Engine::*does)() const) const;

	std::string asked_ = "auto";
	std::map<const Engine *, std::string> why_not_; /* for the engines that do not serve */
};

} // namespace tp

#endif

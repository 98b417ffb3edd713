// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/retire.h"

#include "agent/load/pins.h"
#include "agent/load/tc_hook.h"
#include "base/maps.h"

namespace tp
{

Status set_draining(const std::string &dir, tp_draining how)
{
	tp_config_entry config = TP_TRY(read_config(dir));
	Fd map = TP_TRY(open_map(dir, "tp_config", Access::write));
	uint32_t zero = 0;

	config.draining = how;
	config.alive_ns = 0;
	if (how == TP_DRAINING_NOT || how == TP_DRAINING_HOLD)
		config.claims |= TP_CLAIMS_SERVICES;
	else
		config.claims &= ~(uint32_t)TP_CLAIMS_SERVICES;
	if (int failed = bpf_map_update_elem(map.get(), &zero, &config, BPF_ANY))
		return system_error("write map", dir + "/tp_config", failed);
	return success();
}

/* The translate engine's programs stay for its live connections, unless others translate. */
static Status retire_translate(const std::string &dir, bool succeeded)
{
	if (!succeeded && TP_TRY(live_connections(dir, TP_ENGINE_TRANSLATE)) > 0)
		return success();
	TP_TRY(drop_links(dir, "link_translate_"));
	return drop_filters(dir);
}

Result<uint64_t> retire(const std::string &dir, Enforcer &enforcer, Succession to)
{
	TP_TRY(check_version(dir));
	TP_TRY(set_draining(dir, TP_DRAINING_PASS));
	Fd pending = TP_TRY(open_map(dir, "tp_pending", Access::write));
	/* twice, because a program that is running now may still be about to add an entry */
	if (!to.pending)
		enforcer.end_undecided(pending.get());
	TP_TRY(drop_links(dir, "link_tcx_"));
	TP_TRY(retire_translate(dir, to.translations));
	TP_TRY(drop_link(dir, "link_gate"));
	if (!to.pending)
		enforcer.end_undecided(pending.get());
	return live_connections(dir);
}

} // namespace tp

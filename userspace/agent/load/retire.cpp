// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/retire.h"

#include "agent/load/pins.h"
#include "agent/load/tc_hook.h"
#include "base/maps.h"

namespace tp
{

Status set_draining(const std::string &dir, tp_draining how)
{
	Result<Fd> map = open_map(dir, "tp_config", Access::write);
	tp_config config = {};
	uint32_t zero = 0;

	if (!map)
		return map.error();
	int failed = bpf_map_lookup_elem(map->get(), &zero, &config);
	config.draining = how;
	config.alive_ns = 0;
	config.claims = how == TP_DRAINING_NOT || how == TP_DRAINING_HOLD;
	if (!failed)
		failed = bpf_map_update_elem(map->get(), &zero, &config, BPF_ANY);
	return failed ? Status(system_error("write map", dir + "/tp_config", failed)) : success();
}

/* The translate engine's programs stay for their live connections, unless others translate. */
static Status retire_translate(const std::string &dir, bool succeeded)
{
	if (!succeeded) {
		Result<uint64_t> live = live_connections(dir, TP_ENGINE_TRANSLATE);

		if (!live)
			return live.error();
		if (*live)
			return success();
	}
	Status dropped = drop_links(dir, "link_translate_");
	return dropped ? drop_filters(dir) : dropped;
}

Result<uint64_t> retire(const std::string &dir, Enforcer &enforcer, Succession to)
{
	Status done = check_version(dir);

	if (done)
		done = set_draining(dir, TP_DRAINING_PASS);
	if (!done)
		return done.error();
	Result<Fd> pending = open_map(dir, "tp_pending", Access::write);
	if (!pending)
		return pending.error();
	/* twice: a program that is running now may still be about to add an entry */
	if (!to.pending)
		enforcer.end_undecided(pending->get());
	done = drop_links(dir, "link_tcx_");
	if (done)
		done = retire_translate(dir, to.translations);
	if (done)
		done = drop_link(dir, "link_gate");
	if (!done)
		return done.error();
	if (!to.pending)
		enforcer.end_undecided(pending->get());
	return live_connections(dir);
}

} // namespace tp

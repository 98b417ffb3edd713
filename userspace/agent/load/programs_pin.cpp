// SPDX-License-Identifier: BSD-2-Clause
/* Pins maps, programs and links, with the modes of pinned_maps.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/load/pinned_maps.h"
#include "agent/load/pins.h"
#include "agent/load/programs.h"
#include "truepeer.skel.h"

namespace tp
{

static Status pin_map(const bpf_map *map, const std::string &dir, std::optional<uint32_t> group)
{
	std::string name = bpf_map__name(map);
	std::optional<Pinned> how = how_pinned(name);

	if (!how)
		return Error{ ErrorCode::incompatible, "pin", name,
			      "pinned_maps.h does not say for whom this map is" };
	if (*how == Pinned::not_at_all)
		return success();
	return pin_object(bpf_map__fd(map), dir + "/" + name, pin_mode(*how),
			  *how == Pinned::for_group ? group : std::nullopt);
}

Status Programs::pin(const std::string &dir, std::optional<uint32_t> group)
{
	bpf_map *map;

	if (mkdir(dir.c_str(), 0700))
		return system_error("create", dir);
	held_ = TP_TRY(hold_pins(dir));
	bpf_object__for_each_map(
		map, skeleton_->obj) if (!bpf_map__is_internal(map)) /* .rodata: programs hold it */
		TP_TRY(pin_map(map, dir, group));
	/* this is the only part of the programs' own data that a command writes */
	TP_TRY(pin_object(bpf_map__fd(skeleton_->maps.data_tp_trace), dir + "/tp_trace",
			  pin_mode(Pinned::for_root), {}));
	for (const auto &[name, fd] : links_)
		TP_TRY(pin_object(fd.get(), dir + "/" + name, 0600, {}));
	if (group && chown(dir.c_str(), (uid_t)-1, *group))
		return system_error("give to the group", dir);
	if (chmod(dir.c_str(), 0750))
		return system_error("set the mode of", dir);
	return success();
}

} // namespace tp

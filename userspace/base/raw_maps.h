/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How pinned maps are read, with libbpf and libc alone: the commands, the agent and libtruepeer share
 * this. Functions return 0, or a negative error number.
 */
#ifndef TP_BASE_RAW_MAPS_H
#define TP_BASE_RAW_MAPS_H

#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bpf/abi.h"

namespace tp
{

inline constexpr const char *default_pin_dir = "/sys/fs/bpf/truepeer";

/* Returns the descriptor of a pinned map, or a negative error number. */
inline int open_pinned(const char *path, bool writable)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options);

	options.file_flags = writable ? 0 : BPF_F_RDONLY;
	return bpf_obj_get_opts(path, &options);
}

/*
 * Reads tp_config, which may be of any version: abi_version and draining are the same in all of them.
 * What it does not have becomes 0. -EPROTO means that no version has such a map.
 */
inline int copy_config(int map, tp_config_entry &config)
{
	alignas(tp_config_entry) char value[4096];
	bpf_map_info about = {};
	uint32_t size = sizeof(about), zero = 0;

	static_assert(sizeof(value) >= sizeof(config));
	memset(&config, 0, sizeof(config));
	int failed = bpf_obj_get_info_by_fd(map, &about, &size);
	if (failed)
		return failed;
	if (about.value_size < sizeof(config.abi_version) || about.value_size > sizeof(value))
		return -EPROTO;
	failed = bpf_map_lookup_elem(map, &zero, value);
	if (!failed)
		memcpy(&config, value,
		       about.value_size < sizeof(config) ? about.value_size : sizeof(config));
	return failed;
}

/*
 * Copies the first bytes of a header from tp_headers, at most as many as an entry has. The time at
 * which it was kept tells whether it belongs to this connection: if this one has ended, another may
 * have got its flow. -ENOENT means that it is not there.
 */
inline int copy_small_header(int map, const tp_flow &flow, uint64_t kept_ns, uint8_t *to,
			     size_t length)
{
	tp_small_header value;
	int failed = bpf_map_lookup_elem(map, &flow, &value);

	if (failed)
		return failed;
	if (value.kept_ns != kept_ns)
		return -ENOENT;
	memcpy(to, value.header, length < sizeof(value.header) ? length : sizeof(value.header));
	return 0;
}

/* The same from a map that keeps headers in parts. With 0, `kept_ns` is any time. */
inline int copy_header_parts(int map, tp_flow flow, uint64_t kept_ns, uint8_t *to, size_t length)
{
	tp_header_part value;

	flow.part = 0;
	for (size_t done = 0; done < length; done += TP_PART, flow.part++) {
		int failed = flow.part < TP_MAX_PARTS ? bpf_map_lookup_elem(map, &flow, &value) :
							-ENOENT;

		if (failed)
			return failed;
		if (kept_ns && value.kept_ns != kept_ns)
			return -ENOENT;
		memcpy(to + done, value.header, length - done < TP_PART ? length - done : TP_PART);
	}
	return 0;
}

} // namespace tp

#endif

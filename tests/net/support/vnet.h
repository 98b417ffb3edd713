/* SPDX-License-Identifier: BSD-2-Clause */
/* What PACKET_VNET_HDR and tun devices put before a frame; <linux/virtio_net.h> is no C++. */
#ifndef TP_TESTS_SUPPORT_VNET_H
#define TP_TESTS_SUPPORT_VNET_H

#include <cstdint>

namespace live
{

struct VnetHeader {
	uint8_t flags, gso_type;
	uint16_t header_size, gso_size, checksum_start, checksum_offset;
};

inline constexpr uint8_t needs_checksum = 1; /* in flags */

} // namespace live

#endif

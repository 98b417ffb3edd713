/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TP_TESTS_SUPPORT_FRAGMENTS_H
#define TP_TESTS_SUPPORT_FRAGMENTS_H

#include <string>
#include <vector>

namespace live
{

/*
 * The IP fragments of an Ethernet frame with a virtio_net_hdr in front, each of
 * `size` bytes of IP payload.  A frame that needs none, or is no TCP, is returned as it is.
 */
std::vector<std::string> fragments_of(const std::string &frame, size_t size);

} // namespace live

#endif

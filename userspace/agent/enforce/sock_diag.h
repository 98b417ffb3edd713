/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds and aborts TCP sockets of this network namespace (sock_diag netlink). */
#ifndef TP_AGENT_SOCK_DIAG_H
#define TP_AGENT_SOCK_DIAG_H

#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "bpf/abi.h"

namespace tp
{

class SockDiag
{
public:
	static Result<SockDiag> open();

	/*
	 * The cookie of the flow's socket, which is a connection or a request socket, never a
	 * listener.
	 */
	Result<std::optional<uint64_t>> find(const tp_flow &flow);

	/*
	 * Aborts the socket, if it still exists. A connection's peer gets a RST; a request socket
	 * is deleted without one.
	 */
	Status destroy(const tp_flow &flow, uint64_t cookie);

private:
	explicit SockDiag(Fd fd) : fd_(std::move(fd)) {}

	Fd fd_;
	uint32_t sequence_ = 0;
};

} // namespace tp

#endif

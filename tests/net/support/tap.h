/* SPDX-License-Identifier: BSD-2-Clause */
/* What tcpdump(8) would show of a device: each TCP segment that it sends or receives, in order. */
#ifndef TP_TESTS_SUPPORT_TAP_H
#define TP_TESTS_SUPPORT_TAP_H

#include <vector>

#include "lab.h"
#include "segment.h"

namespace live
{

struct Tapped {
	bool sent; /* by the tapped host */
	Segment segment;
};

class Tap
{
public:
	Tap(const Host &host, const std::string &device);

	/* What has passed since the last call; that the kernel had to leave some out is a failure. */
	std::vector<Tapped> take() const;

private:
	Socket socket_;
};

} // namespace live

#endif

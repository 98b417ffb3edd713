// SPDX-License-Identifier: BSD-2-Clause
#include "base/version.h"

namespace tp
{

const char *version()
{
	return TP_VERSION;
}

} // namespace tp

// SPDX-License-Identifier: BSD-2-Clause
#include "doctor/doctor.h"
namespace tp
{
Status write_dump(const DumpOptions &)
{
	return success();
}
} // namespace tp

// SPDX-License-Identifier: BSD-2-Clause
/* truepeer metrics. */

#include <fmt/core.h>

#include "base/files.h"
#include "cli/commands.h"
#include "metrics/collector.h"

namespace tp
{

Status show_metrics(const std::string &pin_dir)
{
	auto families = TP_TRY(Collector(pin_dir).collect());

	fmt::print("{}", to_text(families));
	/* a file that was cut short must not take the place of the last one */
	return flush_output();
}

} // namespace tp

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the packet-level tests of the translate engine have in common. */
#ifndef TP_TESTS_SUPPORT_TRANSLATE_H
#define TP_TESTS_SUPPORT_TRANSLATE_H

#include <functional>

#include "raw_world.h"

namespace live
{

class Translate : public Raw
{
protected:
	void SetUp() override {} /* every kernel has it */

	void translated(RawOptions options, const std::function<void(RawWorld &)> &body)
	{
		options.engine = "translate";
		raw(options, body);
	}
	void translated(const std::function<void(RawWorld &)> &body) { translated({}, body); }
};

} // namespace live

#endif

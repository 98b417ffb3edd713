/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TP_BASE_VERSION_H
#define TP_BASE_VERSION_H

namespace tp
{

/* The Makefile's VERSION: "0.1.0". One small file is compiled with it. */
const char *version();

} // namespace tp

#endif

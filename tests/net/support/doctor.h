/* SPDX-License-Identifier: BSD-2-Clause */
/* What `truepeer doctor` says in a sandbox. */
#ifndef TP_TESTS_SUPPORT_DOCTOR_H
#define TP_TESTS_SUPPORT_DOCTOR_H

#include <string>
#include <vector>

#include "sandbox.h"

namespace live
{

Finished examine(const Sandbox &box, std::vector<std::string> more = {});

/* It says nothing at all, and ends with 0. */
void expect_healthy(const Sandbox &box, const std::vector<std::string> &more = {});

/*
 * One finding of this check, and of no other one, has all these words. Notes alone leave the exit
 * code 0.
 */
void expect_found(const Sandbox &box, const std::string &check, const std::string &severity,
		  const std::vector<std::string> &words, std::vector<std::string> more = {});

} // namespace live

#endif

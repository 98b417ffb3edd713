/* SPDX-License-Identifier: BSD-2-Clause */
/* truepeer doctor and truepeer dump: what is wrong here, and what to do about it. */
#ifndef TP_DOCTOR_DOCTOR_H
#define TP_DOCTOR_DOCTOR_H

#include <string>
#include <vector>

#include "base/result.h"

namespace tp
{

struct DoctorOptions {
	std::string pin_dir;
	/* Services to check for where no agent has any; the configuration file has more. */
	std::vector<std::string> listen;
	std::string config; /* the configuration file; empty: the usual one, if it is there */
	bool json = false;
	bool verbose = false; /* name also the checks that found nothing */
};

/* Returns the exit code: 0, or 1 if there is a warning or an error. */
Result<int> run_doctor(const DoctorOptions &options);

struct DumpOptions {
	std::string pin_dir;
	std::string dir;             /* where to write; it must be empty or not exist */
	bool with_addresses = false; /* do not leave out clients' addresses */
};

Status write_dump(const DumpOptions &options);

} // namespace tp

#endif

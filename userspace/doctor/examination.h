/* SPDX-License-Identifier: BSD-2-Clause */
/* All checks of the host, and what they found as JSON. */
#ifndef TP_DOCTOR_EXAMINATION_H
#define TP_DOCTOR_EXAMINATION_H

#include <string>

#include <nlohmann/json.hpp>

#include "doctor/context.h"

namespace tp
{

struct Examination {
	nlohmann::ordered_json json;
	bool is_healthy = true; /* neither a warning nor an error */
};

/* With indentation, or on one line without. What is no UTF-8, such as a path, is replaced. */
std::string json_text(const nlohmann::ordered_json &json, int indent = -1);

/* Makes all checks. */
Result<Examination> examine_host(const DoctorOptions &options);

} // namespace tp

#endif

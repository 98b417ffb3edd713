// SPDX-License-Identifier: BSD-2-Clause
/* truepeer doctor. */
#include "doctor/doctor.h"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "doctor/checks.h"

namespace tp
{

using Json = nlohmann::ordered_json;

struct Check {
	const char *name;
	When when;
	const char *what;
	void (*run)(const Context &, Findings &);
};

#define TP_CHECK_ENTRY(name, when, what) { #name, When::when, what, check_##name },
static constexpr Check all_checks[] = { TP_CHECKS(TP_CHECK_ENTRY) };

static bool is_due(const Check &check, const Context &context)
{
	switch (check.when) {
	case When::before_start:
		return !context.has_pins;
	case When::with_pins:
		return context.has_pins;
	case When::with_services:
		return !context.services.empty();
	default:
		return true;
	}
}

static const char *severity_name(Severity severity)
{
	return severity == Severity::error   ? "error" :
	       severity == Severity::warning ? "warning" :
					       "note";
}

static Json finding_json(const Check &check, const Finding &finding)
{
	return { { "severity", severity_name(finding.severity) },
		 { "check", check.name },
		 { "object", finding.object },
		 { "found", finding.found },
		 { "remedy", finding.remedy } };
}

static void print_finding(const Check &check, const Finding &finding)
{
	fmt::print("{}: {}: {}: {}\n", severity_name(finding.severity), check.name, finding.object,
		   finding.found);
	if (!finding.remedy.empty())
		fmt::print("    {}\n", finding.remedy);
}

Result<int> run_doctor(const DoctorOptions &options)
{
	Context context = TP_TRY(gather(options));
	Json out = { { "version", TP_VERSION },
		     { "pin_dir", context.options.pin_dir },
		     { "findings", Json::array() },
		     { "checks", Json::array() } };
	int code = 0;

	for (const Check &check : all_checks) {
		Findings findings;
		bool due = is_due(check, context);

		if (due)
			check.run(context, findings);
		else
			findings.skip(check.when == When::before_start ?
					      "the programs are loaded" :
				      check.when == When::with_services ?
					      "no agent runs, and no --listen is given" :
					      "no agent's programs are here");
		for (const Finding &finding : findings.list()) {
			code |= finding.severity != Severity::note;
			out["findings"].push_back(finding_json(check, finding));
			if (!options.json)
				print_finding(check, finding);
		}
		const char *result = !findings.list().empty()   ? "found" :
				     findings.skipped().empty() ? "passed" :
								  "skipped";
		out["checks"].push_back(
			{ { "check", check.name }, { "what", check.what }, { "result", result } });
		const std::string &more =
			findings.skipped().empty() ? findings.remarks() : findings.skipped();
		if (!more.empty())
			out["checks"].back()["remark"] = more;
		if (options.verbose && !options.json && findings.list().empty())
			fmt::print("{}: {}: {}{}\n", result, check.name, check.what,
				   more.empty() ? "" : " (" + more + ")");
	}
	if (options.json)
		fmt::print("{}\n", out.dump());
	if (std::fflush(stdout))
		return system_error("write", "standard output");
	return code;
}

} // namespace tp

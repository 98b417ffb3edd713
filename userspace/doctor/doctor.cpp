// SPDX-License-Identifier: BSD-2-Clause
/* truepeer doctor. */
#include "doctor/doctor.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/version.h"
#include "doctor/checks.h"
#include "doctor/examination.h"

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
		 { "object", finding.object() },
		 { "objects", finding.objects },
		 { "found", finding.found },
		 { "remedy", finding.remedy } };
}

std::string json_text(const Json &json, int indent)
{
	return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

/* Why a check is not made, where it is not due. */
static const char *not_due(const Check &check)
{
	switch (check.when) {
	case When::before_start:
		return "the programs are loaded";
	case When::with_services:
		return "no agent runs, and no --listen is given";
	default:
		return "no agent's programs are here";
	}
}

Result<Examination> examine_host(const DoctorOptions &options)
{
	Context context = TP_TRY(gather(options));
	Examination done;
	Json &out = done.json;

	out = { { "version", version() },
		{ "pin_dir", context.options.pin_dir },
		{ "findings", Json::array() },
		{ "checks", Json::array() } };
	for (const Check &check : all_checks) {
		Findings findings;

		if (is_due(check, context))
			check.run(context, findings);
		else
			findings.skip(not_due(check));
		for (const Finding &finding : findings.list()) {
			done.is_healthy &= finding.severity == Severity::note;
			out["findings"].push_back(finding_json(check, finding));
		}
		bool skipped = !findings.skipped().empty();
		out["checks"].push_back({ { "check", check.name },
					  { "what", check.what },
					  { "result", !findings.list().empty() ? "found" :
						      skipped                  ? "skipped" :
										 "passed" } });
		const std::string &remark = skipped ? findings.skipped() : findings.remarks();
		if (!remark.empty())
			out["checks"].back()["remark"] = remark;
	}
	return done;
}

static void print_finding(const Json &finding)
{
	auto text = [&](const char *key) { return finding[key].get<std::string>(); };

	fmt::print("{}: {}: {}: {}\n    {}\n", text("severity"), text("check"), text("object"),
		   text("found"), text("remedy"));
}

static void print_check(const Json &check)
{
	auto text = [&](const char *key) { return check[key].get<std::string>(); };

	if (check["result"] != "found")
		fmt::print("{}: {}: {}{}\n", text("result"), text("check"), text("what"),
			   check.contains("remark") ? " (" + text("remark") + ")" : "");
}

Result<int> run_doctor(const DoctorOptions &options)
{
	Examination done = TP_TRY(examine_host(options));

	if (options.json)
		fmt::print("{}", json_text(done.json));
	else
		for (const Json &finding : done.json["findings"])
			print_finding(finding);
	if (options.verbose && !options.json)
		for (const Json &check : done.json["checks"])
			print_check(check);
	TP_TRY(flush_output());
	return done.is_healthy ? 0 : 1;
}

} // namespace tp

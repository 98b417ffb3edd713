/* SPDX-License-Identifier: BSD-2-Clause */
/* What the checks work on, and where they put what they find. */
#ifndef TP_DOCTOR_CONTEXT_H
#define TP_DOCTOR_CONTEXT_H

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/watch/namespace.h"
#include "base/address.h"
#include "base/result.h"
#include "base/services.h"
#include "bpf/abi.h"
#include "doctor/doctor.h"

namespace tp
{

enum class Severity {
	note,    /* worth knowing; nothing is broken */
	warning, /* something does not work for somebody, or soon will not */
	error,   /* truepeer does not work */
};

struct Finding {
	Severity severity;
	std::vector<std::string> objects; /* what it is about, such as services or a file */
	std::string found;
	std::string remedy;

	/* The first few of the objects, and how many more there are. */
	std::string object() const;
};

/* What one check has found. */
class Findings
{
public:
	/* The same finding about several objects, such as 4,000 services, becomes one finding. */
	void add(Severity severity, std::string object, std::string found, std::string remedy);
	/* Notes why the check could not be made, which is shown only on request (--verbose). */
	void skip(std::string why) { skipped_ = std::move(why); }
	void skip(const Error &error) { skip(error.text()); }
	/* Notes a remark that is no finding, because nothing can be done about it (--verbose). */
	void remark(const std::string &text) { remarks_ += (remarks_.empty() ? "" : "; ") + text; }

	const std::vector<Finding> &list() const { return list_; }
	const std::string &skipped() const { return skipped_; }
	const std::string &remarks() const { return remarks_; }

private:
	std::vector<Finding> list_;
	std::string skipped_, remarks_;
};

/* A service in one network namespace. */
struct ServedAt : Service { /* the key has its first port */
	size_t space;       /* index into Context::spaces, or no_space */

	bool is_range() const { return value.first_port != value.last_port; }
	bool has_port(uint16_t port) const { return address().has_port(port); }
};
inline constexpr size_t no_space = SIZE_MAX;

struct Context {
	DoctorOptions options;
	bool is_root = false; /* has the privileges that the agent needs */

	/* Where the pins are, as seen from here. They may be in another mount namespace. */
	std::string pin_dir;
	bool has_pins = false;           /* of the ABI version that this program reads */
	std::optional<Error> pins_error; /* why there are none */
	pid_t agent = 0;                 /* as running_agent() */
	tp_config_entry config = {};
	uint32_t config_id = 0; /* the kernel's number of tp_config, which tells our programs */

	std::vector<Namespace> spaces; /* this process's own, and those that services are in */
	std::vector<ServedAt> services;

	/* What is wrong with the configuration file. */
	std::vector<Error> config_errors;
	std::string config_file; /* empty if there is none */

	/* The services, each once, whatever the namespace. */
	std::vector<ServedAt> distinct_services() const;
	std::string space_text(size_t space) const;
};

Result<Context> gather(const DoctorOptions &options);

/* Calls `each` for the services, each once, whose counters can be read; skips the check if none can. */
void for_each_counted(const Context &context, Findings &findings,
		      const std::function<void(const ServedAt &, const tp_counters_entry &)> &each);

} // namespace tp

#endif

// SPDX-License-Identifier: BSD-2-Clause
#include "run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "../bench/order.h"
#include "../bench/summary.h"

namespace peers
{

static void note(Outcome &outcome, Server server, Variant variant, const Error &error)
{
	bool missing = error.code == tp::ErrorCode::incompatible;

	if (bench::interrupted())
		return;
	fmt::print(stderr, "{}bench-peers: {}, {}: {}\n", isatty(2) ? "\n" : "", name_of(server),
		   name_of(variant), error.text());
	(missing ? outcome.unavailable : outcome.failures)
		.push_back({ server, variant, error.text() });
}

std::vector<Stand> Run::stands(Server server, Outcome &outcome)
{
	std::vector<Stand> ready;

	for (Variant variant : options_.variants) {
		if (bench::interrupted() || !applies(variant, server))
			continue;
		Result<Stand> stand = Stand::make(options_, place_, servers_, server, variant);
		if (stand)
			ready.push_back(std::move(*stand));
		else
			note(outcome, server, variant, stand.error());
	}
	return ready;
}

/*
 * Measures one variant after the other. The results of a round without a number are not kept.
 * Returns false if a measurement failed.
 */
bool Run::round(std::optional<unsigned> number, Server server, std::vector<Stand> &stands,
		Outcome &outcome)
{
	std::vector<Stand *> order;

	for (Stand &stand : stands)
		order.push_back(&stand);
	for (Stand *stand : bench::order_in(number.value_or(0), order)) {
		Sample sample = { number.value_or(0), server, stand->variant(), {} };

		for (unsigned load : all_loads) {
			Result<Values> values = stand->measure(board_, load, options_.seconds);

			if (!values) {
				note(outcome, server, stand->variant(), values.error());
				return false;
			}
			sample.values.merge(*values);
		}
		if (number)
			outcome.samples.push_back(std::move(sample));
	}
	return true;
}

Status Run::measure(Server server, Outcome &outcome)
{
	Circumstances &now = outcome.circumstances[server];

	now = { bench::date_now(), bench::kernel_release(), bench::cpu_model() };
	now.cpus = sysconf(_SC_NPROCESSORS_ONLN);
	now.rounds = options_.rounds;
	now.seconds = options_.seconds;
	now.pin = options_.pin;
	now.busy = options_.busy;
	getloadavg(&now.load, 1);
	std::vector<Stand> ready = stands(server, outcome);
	/* the first round is not kept: programs compile their code and touch their memory in it */
	bool good = round({}, server, ready, outcome);
	for (unsigned n = 0; good && n < options_.rounds; n++) {
		if (isatty(2))
			fmt::print(stderr, "\r{}: round {} of {}   ", name_of(server), n + 1,
				   options_.rounds);
		good = round(n, server, ready, outcome);
	}
	if (isatty(2))
		fmt::print(stderr, "\n");
	Status all = success();
	for (Stand &stand : ready) {
		Status stopped = stand.stop();

		if (!stopped)
			all = stopped;
	}
	Status cleared = place_.clear_pins();
	if (bench::interrupted())
		return Error{ tp::ErrorCode::system, "run", "", "interrupted" };
	return all ? cleared : all;
}

} // namespace peers

/* SPDX-License-Identifier: BSD-2-Clause */
/* The network namespaces that services are in. */
#ifndef TP_AGENT_NAMESPACE_H
#define TP_AGENT_NAMESPACE_H

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace tp
{

struct Namespace {
	std::string name; /* as it was given; empty for the agent's own */
	Fd fd; /* not open if the namespace has gone, because this must not keep it alive */
	uint64_t cookie = 0; /* SO_NETNS_COOKIE */

	/*
	 * Whether its name leads to it. False if the name leads nowhere, or to another namespace.
	 */
	bool is_there() const;
};

Result<Namespace> open_namespace(const std::string &path);

/* Opens this thread's own namespace first, then those of `paths`. */
Result<std::vector<Namespace>> open_namespaces(const std::vector<std::string> &paths);

/*
 * Opens the namespaces that the agent with these pins serves besides its own, as far as their names
 * lead anywhere.
 */
std::vector<Namespace> served_namespaces(const std::string &pin_dir);

/* The thread works in the namespace while the object lives. */
class Inside
{
public:
	static Result<Inside> enter(const Namespace &space);
	Inside(Inside &&) = default;
	~Inside();

private:
	explicit Inside(Fd back) : back_(std::move(back)) {}

	Fd back_;
};

} // namespace tp

#endif

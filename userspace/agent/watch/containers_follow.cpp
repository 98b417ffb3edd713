// SPDX-License-Identifier: BSD-2-Clause
/* What changes in the namespaces that are covered (containers.h). */
#include <algorithm>
#include <vector>

#include "agent/watch/container_visit.h"
#include "agent/watch/containers.h"
#include "agent/watch/way_back.h"
#include "base/log.h"

namespace tp
{

void Containers::handle_event(int id, NamespaceIds::Event event)
{
	if (event == NamespaceIds::Event::anything) {
		std::vector<uint64_t> gone;

		for (auto &[cookie, found] : found_)
			if (!ids_->exists(found->id))
				gone.push_back(cookie);
			else if (Visit visit(*found); visit) {
				read_interfaces(*found);
				failures_.note(found->own->handle(), old_addresses);
			}
		for (uint64_t cookie : gone)
			end(cookie);
		return;
	}
	auto at = by_id_.find(id);
	if (at == by_id_.end())
		return;
	Found &found = *found_.at(at->second);
	if (event == NamespaceIds::Event::end && !ids_->exists(id)) {
		end(at->second);
	} else if (Visit visit(found); visit) {
		if (event == NamespaceIds::Event::interfaces)
			read_interfaces(found);
		else if (event == NamespaceIds::Event::addresses)
			failures_.note(found.own->handle(), old_addresses);
	}
}

/* At once, as long as that does not take more than a tenth of the time. */
void Containers::read_interfaces(Found &found)
{
	Clock::time_point start = Clock::now();

	if (start < found.next_read) {
		failures_.note(found.interfaces->handle(), not_attached);
		return;
	}
	failures_.note(found.interfaces->attach(false), not_attached);
	found.next_read = Clock::now() + 9 * (Clock::now() - start);
}

void Containers::go_on(Found &found)
{
	if (!found.interfaces->has_work() && !found.own->has_work())
		return;
	Visit visit(found);

	if (!visit)
		return;
	failures_.note(found.interfaces->tick(), not_attached);
	failures_.note(found.own->tick(), old_addresses);
}

/* What nobody tells of: routes, and programs that somebody has removed. */
void Containers::look_after(Found &found)
{
	Visit visit(found);

	if (!visit)
		return; /* if it has not ended, its connections go on */
	if (visit.is_new())
		show(found.slot, found.space.cookie, found.way, TP_NAMESPACE_ENTERED);
	Result<size_t> put_back = found.interfaces->put_back();
	if (!put_back)
		failures_.note(put_back.error(), not_attached);
	else if (*put_back)
		parts_.programs.count_put_back((uint32_t)*put_back);
	if (found.routes) {
		bool any = found.routes->any();

		failures_.note(found.routes->load(), old_routes);
		found.routes->leave();
		failures_.note(WayBack::enter(found.space), not_attached);
		if (found.routes->any() != any)
			failures_.note(parts_.set_routes(), old_routes);
	}
}

} // namespace tp

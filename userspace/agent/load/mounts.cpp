// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/mounts.h"

#include <libmount/libmount.h>

#include <memory>

namespace tp
{

struct Free {
	void operator()(libmnt_table *table) const { mnt_unref_table(table); }
	void operator()(libmnt_iter *iterator) const { mnt_free_iter(iterator); }
};

std::vector<std::string> mount_points(const std::string &type, const std::string &root)
{
	std::unique_ptr<libmnt_table, Free> table(mnt_new_table_from_file("/proc/self/mountinfo"));
	std::unique_ptr<libmnt_iter, Free> at(mnt_new_iter(MNT_ITER_FORWARD));
	std::vector<std::string> found;
	libmnt_fs *mounted;

	while (table && at && mnt_table_next_fs(table.get(), at.get(), &mounted) == 0) {
		const char *part = mnt_fs_get_root(mounted);

		if (type == mnt_fs_get_fstype(mounted) && (root.empty() || (part && root == part)))
			found.emplace_back(mnt_fs_get_target(mounted));
	}
	return found;
}

} // namespace tp

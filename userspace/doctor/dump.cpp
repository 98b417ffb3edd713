// SPDX-License-Identifier: BSD-2-Clause
/* truepeer dump. */
#include "doctor/dump.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/version.h"
#include "doctor/doctor.h"

namespace tp
{

struct DumpFile {
	const char *name;
	const char *what;
	Result<std::string> (*collect)(const DumpJob &);
};

#define TP_DUMP_ENTRY(name, file, what) { file, what, dump_##name },
static constexpr DumpFile dump_files[] = { TP_DUMP_FILES(TP_DUMP_ENTRY) };

static Result<Fd> make_directory(const std::string &path)
{
	std::error_code failed;

	if (mkdir(path.c_str(), 0700) && errno != EEXIST)
		return system_error("make directory", path);
	Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!fd)
		return system_error("open directory", path);
	if (!std::filesystem::is_empty(path, failed) || failed)
		return Error{ ErrorCode::usage, "dump", path, "the directory is not empty",
			      "name one that does not exist yet" };
	return fd;
}

static Status write_file(const Fd &dir, const std::string &path, const char *name,
			 std::string_view content)
{
	Fd fd(openat(dir.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));

	if (!fd)
		return system_error("make file", path + "/" + name);
	if (!write_all(fd.get(), content))
		return system_error("write", path + "/" + name);
	return success();
}

static std::string readme(const DumpOptions &options)
{
	std::string text = fmt::format(
		"What truepeer {} found on this host at {}, pins in {}.\n\n"
		"No file has payload or a header of a connection. {}\n\n",
		version(), format_second(realtime_ns()), options.pin_dir,
		options.with_addresses ?
			"Addresses of clients and proxies are in it (--with-addresses)." :
			"Addresses of clients and proxies were left out (ADDRESS), and so were the "
			"elements of the firewall's sets. This host's own addresses, the trusted "
			"networks and the firewall's rules are there.");

	for (const DumpFile &file : dump_files)
		text += fmt::format("{:<18}{}\n", file.name, file.what);
	return text + "\nA file that begins with \"not available\" says why.\n";
}

Status write_dump(const DumpOptions &options)
{
	DoctorOptions look;

	look.pin_dir = options.pin_dir;
	Context context = TP_TRY(gather(look));
	Fd dir = TP_TRY(make_directory(options.dir));
	DumpJob job = { context, options.with_addresses };
	TP_TRY(write_file(dir, options.dir, "README", readme(options)));
	for (const DumpFile &file : dump_files) {
		Result<std::string> content = file.collect(job);

		TP_TRY(write_file(dir, options.dir, file.name,
				  content ? *content :
					    "not available: " + content.error().text() + "\n"));
	}
	fmt::print("wrote {} files to {}; README names them\n", std::size(dump_files) + 1,
		   options.dir);
	return flush_output();
}

} // namespace tp

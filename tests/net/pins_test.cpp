// SPDX-License-Identifier: BSD-2-Clause
/* Who may read what of the pins, and who may hold them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "agent/load/pinned_maps.h"
#include "support/live.h"

namespace live
{

static constexpr uid_t nobody = 65534;
static constexpr gid_t daemon_group = 1;

/* ---- what a reader sees ---------------------------------------------------------- */

/* Any 15 bytes of it have the whole word in them. */
static const std::string planted_word = "PLANTED!";

static std::string planted(size_t size)
{
	std::string text;

	while (text.size() < size)
		text += planted_word;
	return text.substr(0, size);
}

/* The memory of a ring buffer's records, also of those that have been taken out. */
static std::string ring_bytes(int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(nullptr, page + size, PROT_READ, MAP_SHARED, fd, (off_t)page);

	if (memory == MAP_FAILED)
		return {};
	std::string bytes((const char *)memory + page, size);
	munmap(memory, page + size);
	return bytes;
}

/* All keys and values. */
static std::string map_bytes(int fd)
{
	bpf_map_info info = {};
	uint32_t size = sizeof(info);
	std::string bytes;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return {};
	if (info.type == BPF_MAP_TYPE_RINGBUF)
		return ring_bytes(fd, info.max_entries);
	bool by_cpu = info.type == BPF_MAP_TYPE_PERCPU_ARRAY;
	size_t room =
		(info.value_size + 7u) / 8 * 8 * (by_cpu ? (size_t)libbpf_num_possible_cpus() : 1);
	std::string key(info.key_size, '\0'), next = key, value(room, '\0');
	for (void *last = nullptr; !bpf_map_get_next_key(fd, last, next.data());) {
		key = next;
		last = key.data();
		if (!bpf_map_lookup_elem(fd, key.data(), value.data()))
			bytes += key + value;
	}
	return bytes;
}

struct Seen {
	std::set<std::string> opened, with_planted;
};

/* What these ids can open of the pins; one line each, with a star where something planted is. */
static Seen look_as(uid_t uid, gid_t gid, const std::string &dir)
{
	int ends[2];
	Seen seen;
	std::string text;
	char bytes[4096];

	if (pipe(ends))
		give_up("make pipe");
	pid_t child = fork();
	if (child == 0) {
		if (setgroups(0, nullptr) || setgid(gid) || setuid(uid))
			_exit(1);
		for (const auto &pin : std::filesystem::directory_iterator(dir)) {
			LIBBPF_OPTS(bpf_obj_get_opts, options);
			options.file_flags = BPF_F_RDONLY;
			int fd = bpf_obj_get_opts(pin.path().c_str(), &options);

			if (fd < 0)
				continue;
			bool found = map_bytes(fd).find(planted_word) != std::string::npos;
			std::string line =
				pin.path().filename().string() + (found ? "*" : "") + "\n";
			(void)!write(ends[1], line.data(), line.size());
		}
		_exit(0);
	}
	close(ends[1]);
	for (ssize_t n; (n = read(ends[0], bytes, sizeof(bytes))) > 0;)
		text.append(bytes, (size_t)n);
	close(ends[0]);
	waitpid(child, nullptr, 0);
	std::istringstream lines(text);
	for (std::string line; std::getline(lines, line);) {
		bool found = line.ends_with('*');

		seen.opened.insert(found ? line.substr(0, line.size() - 1) : line);
		if (found)
			seen.with_planted.insert(line);
	}
	return seen;
}

static std::set<std::string> maps_for(tp::Pinned pinned)
{
	std::set<std::string> names;

	for (const tp::PinnedMap &map : tp::pinned_maps)
		if (map.pinned == pinned)
			names.emplace(map.name);
	return names;
}

class Readers : public Live
{
};
INSTANTIATE_TEST_SUITE_P(Live, Readers, crossed_cases(), case_name);

/* Payload, and headers that are not judged yet, are nobody's business but the server's. */
TEST_P(Readers, find_nothing_of_payload_or_of_pieces)
{
	WorldOptions options = { .agent = { "--group", "daemon" } };

	live(options, [&](World &w) {
		std::vector<Client> clients;
		V2 h, half;
		std::string with_payload[] = { planted(100), planted(1500), planted(20000) };

		h.source = half.source = w.origin_host;
		h.source_port = 4242;
		h.destination = half.destination = w.destination_host;
		h.tlvs = { { 0x02, "example.org" } };
		half.tlvs = { { 0xe0, planted(600) } };
		for (const std::string &payload : with_payload) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(h.bytes() + payload));
			w.expect_session(clients.size() - 1, w.origin(), payload);
		}
		/* the header in pieces, payload behind the last of them */
		clients.push_back(w.connect());
		ASSERT_TRUE(clients.back().send(cut(h.bytes() + with_payload[1], { 14, 40 })));
		w.expect_session(clients.size() - 1, w.origin(), with_payload[1]);
		/* half a header, and no header at all */
		clients.push_back(w.connect());
		ASSERT_TRUE(clients.back().send(cut(half.bytes().substr(0, 500), { 100, 300 })));
		clients.push_back(w.connect());
		ASSERT_TRUE(clients.back().send(planted(1000)));
		EXPECT_NE(clients.back().receive(1, 5s).end, End::open);
		ASSERT_TRUE(eventually([&] { return w.agent->entries("tp_pending") >= 1; }));

		Seen as_member = look_as(nobody, daemon_group, w.agent->pin_dir());
		EXPECT_EQ(as_member.opened, maps_for(tp::Pinned::for_group));
		EXPECT_EQ(as_member.with_planted, std::set<std::string>());
		EXPECT_EQ(look_as(nobody, nobody, "/").opened, std::set<std::string>());
		if (w.c.engine == "handshake") {
			EXPECT_TRUE(
				look_as(0, 0, w.agent->pin_dir()).with_planted.count("tp_pieces*"))
				<< "the search finds what is there";
		}
	});
}

/* ---- the documentation's table ------------------------------------------------------ */

/* By name: the column "for" of docs/PROTOCOL.md. */
static std::map<std::string, std::string> documented()
{
	std::ifstream file("docs/PROTOCOL.md");
	std::map<std::string, std::string> table;

	for (std::string line; std::getline(file, line);) {
		std::vector<std::string> cells;
		std::istringstream fields(line);

		for (std::string cell; std::getline(fields, cell, '|');)
			cells.push_back(cell);
		if (cells.size() < 7 || cells[1].find("`tp_") == std::string::npos)
			continue;
		std::string whom = cells[5];
		std::erase(whom, ' ');
		for (size_t at = 0; (at = cells[1].find("tp_", at)) != std::string::npos; at++)
			table[cells[1].substr(at, cells[1].find('`', at) - at)] = whom;
	}
	return table;
}

TEST(PinnedMaps, have_the_modes_that_the_documentation_names)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box,
			    { .listen = { "127.0.0.1:8080" }, .more = { "--group", "daemon" } });
		std::map<std::string, std::string> found, expected = documented();
		struct stat about;

		for (const std::string &name : maps_for(tp::Pinned::not_at_all))
			found[name] = "-";
		for (const auto &pin : std::filesystem::directory_iterator(agent.pin_dir())) {
			std::string name = pin.path().filename();

			ASSERT_EQ(stat(pin.path().c_str(), &about), 0);
			unsigned mode = about.st_mode & 07777;
			bool group = mode == 0640 && about.st_gid == daemon_group;
			bool root = mode == 0600 && about.st_gid == 0;
			EXPECT_TRUE(group || root) << name << " " << mode;
			if (name.rfind("link_", 0) == 0)
				EXPECT_TRUE(root) << name;
			else
				EXPECT_TRUE(found.emplace(name, group ? "group" : "root").second)
					<< name << " should not be pinned";
		}
		EXPECT_EQ(found, expected);
		ASSERT_EQ(stat(agent.pin_dir().c_str(), &about), 0);
		EXPECT_EQ(about.st_mode & 07777, 0750u);
		expect_clean_stop(agent);
	});
}

/* ---- the lock --------------------------------------------------------------------------- */

static std::string lock_of(const Sandbox &box)
{
	return box.pin_dir() + "-lock";
}

static unsigned mode_of(const std::string &path)
{
	struct stat about = {};

	return stat(path.c_str(), &about) ? 0 : about.st_mode & 07777;
}

/* A process that locks `path` and keeps it, as this user, or waits for it. */
class Holder
{
public:
	Holder(const std::string &path, uid_t uid, bool wait = false)
	{
		int ready[2];
		char byte;

		if (pipe(ready))
			give_up("make pipe");
		pid_ = fork();
		if (pid_ == 0) {
			cpu_set_t first;

			/* /proc/locks begins with the first CPU's latest */
			CPU_ZERO(&first);
			CPU_SET(0, &first);
			sched_setaffinity(0, sizeof(first), &first);
			if (uid && (setgroups(0, nullptr) || setgid(uid) || setuid(uid)))
				_exit(1);
			int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
			if (fd < 0 || (!wait && flock(fd, LOCK_EX | LOCK_NB)))
				_exit(1);
			(void)!write(ready[1], "x", 1);
			close(ready[0]);
			close(ready[1]);
			if (wait)
				flock(fd, LOCK_EX);
			for (;;)
				pause();
		}
		close(ready[1]);
		holds_ = read(ready[0], &byte, 1) == 1;
		close(ready[0]);
	}
	~Holder()
	{
		kill(pid_, SIGKILL);
		waitpid(pid_, nullptr, 0);
	}
	bool holds() const { return holds_; }
	pid_t pid() const { return pid_; }

private:
	pid_t pid_;
	bool holds_ = false;
};

TEST(Lock, is_its_owners_alone)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });

		EXPECT_EQ(mode_of(lock_of(box)), 0700u);
		EXPECT_FALSE(Holder(lock_of(box), nobody).holds());
		expect_clean_stop(agent);
	});
}

/* As it was made by earlier versions, and may have been locked by anybody since. */
TEST(Lock, that_others_could_open_is_mended)
{
	in_sandbox([](Sandbox &box) {
		ASSERT_EQ(mkdir(lock_of(box).c_str(), 0755), 0);
		Holder stranger(lock_of(box), nobody);
		ASSERT_TRUE(stranger.holds());
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });
		EXPECT_EQ(mode_of(lock_of(box)), 0700u);
		EXPECT_EQ(agent.json({ "status" })["agent_pid"], agent.process().pid());
		/* the lock is worth something: no second agent */
		Finished second = agent.command(
			{ "run", "--listen", "127.0.0.1:8081", "--trust", "127.0.0.0/8" });
		EXPECT_EQ(second.code, 1);
		EXPECT_NE(second.err.find("in use by process " +
					  std::to_string(agent.process().pid())),
			  std::string::npos)
			<< second.err;
		expect_clean_stop(agent);
	});
}

/* A bpffs that everybody may write to (the kernel's default) lets a stranger be first. */
TEST(Lock, that_a_stranger_has_made_is_replaced)
{
	in_sandbox([](Sandbox &box) {
		ASSERT_EQ(mkdir(lock_of(box).c_str(), 0777), 0);
		ASSERT_EQ(chown(lock_of(box).c_str(), nobody, nobody), 0);
		Holder stranger(lock_of(box), nobody);
		ASSERT_TRUE(stranger.holds());
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });
		EXPECT_EQ(mode_of(lock_of(box)), 0700u);
		expect_clean_stop(agent);
	});
}

TEST(Lock, pins_of_another_user_are_refused)
{
	in_sandbox([](Sandbox &box) {
		ASSERT_EQ(mkdir(box.pin_dir().c_str(), 0755), 0);
		ASSERT_EQ(chown(box.pin_dir().c_str(), nobody, nobody), 0);
		Finished refused = run({ build_path("truepeer"), "run", "--listen",
					 "127.0.0.1:8080", "--trust", "127.0.0.0/8", "--cgroup",
					 box.cgroup(), "--pin-dir", box.pin_dir() });
		EXPECT_EQ(refused.code, 1);
		EXPECT_NE(refused.err.find("belongs to user 65534"), std::string::npos)
			<< refused.err;
	});
}

/* Others' locks, and who waits for one, are not what status asks about. */
TEST(Lock, status_tells_the_agent_from_others)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" }, .more = { "--persist" } });
		std::string other = box.dir() + "/other";
		ASSERT_EQ(mkdir(other.c_str(), 0755), 0);
		{
			Holder holder(other, 0), waiting(other, 0, true),
				waits_for_agent(lock_of(box), 0, true);

			ASSERT_TRUE(eventually([&] {
				return read_file("/proc/locks").find("->") != std::string::npos;
			}));
			nlohmann::json status = agent.json({ "status" });
			EXPECT_EQ(status["agent"], "running");
			EXPECT_EQ(status["agent_pid"], agent.process().pid());
		}
		EXPECT_EQ(agent.stop(), 0);
		EXPECT_EQ(agent.json({ "status" })["agent"], "stopped");
		{
			Holder unloads(lock_of(box), 0); /* for a moment, as `truepeer unload` */

			ASSERT_TRUE(unloads.holds());
			nlohmann::json status = agent.json({ "status" });
			EXPECT_EQ(status["agent"], "stopped");
			EXPECT_FALSE(status.contains("agent_pid"));
		}
		EXPECT_EQ(agent.command({ "unload" }).code, 0);
	});
}

} // namespace live

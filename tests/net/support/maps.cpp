// SPDX-License-Identifier: BSD-2-Clause
#include "maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <set>

#include "bpf/abi.h"
#include "net.h"

namespace live
{

namespace
{

/* A pinned map; no `fd` where the pin is something else. */
struct Pinned {
	std::string name;
	Socket fd;
	bpf_map_info info = {};
	bool readable = false; /* by the group or by all */
};

std::vector<Pinned> pinned_maps(const std::string &pin_dir)
{
	std::vector<Pinned> maps;

	for (const auto &entry : std::filesystem::directory_iterator(pin_dir)) {
		Pinned map = { entry.path().filename(), Socket(bpf_obj_get(entry.path().c_str())) };
		std::string link = "/proc/self/fd/" + std::to_string(map.fd.fd());
		uint32_t size = sizeof(map.info);
		struct stat about = {};

		if (!map.fd || /* a link that went meanwhile */
		    std::filesystem::read_symlink(link).string().find("bpf-map") ==
			    std::string::npos)
			continue;
		if (bpf_obj_get_info_by_fd(map.fd.fd(), &map.info, &size) ||
		    stat(entry.path().c_str(), &about))
			give_up("look at pin: " + entry.path().string());
		map.readable = about.st_mode & (S_IRGRP | S_IROTH);
		maps.push_back(std::move(map));
	}
	return maps;
}

/* Arrays always have all their entries; rings and sockets' storage have no keys. */
bool has_keys(const bpf_map_info &info)
{
	static const std::set<uint32_t> types = {
		BPF_MAP_TYPE_HASH,        BPF_MAP_TYPE_LRU_HASH,
		BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH,
		BPF_MAP_TYPE_LPM_TRIE,    BPF_MAP_TYPE_SOCKHASH,
	};

	return types.count(info.type) != 0;
}

/* What somebody has configured, or what is the host's; no connection adds to it. */
bool is_configuration(const std::string &name)
{
	static const std::set<std::string> names = {
		"tp_services",      /* as many as --listen and `truepeer services` have made */
		"tp_policies",      /* --trust, `truepeer policy` */
		"tp_denied",        /* `truepeer deny` */
		"tp_own_addresses", /* the host's, where services refuse them as origins */
		"tp_routes",        /* the host's, with metrics */
		"tp_paths", /* a bounded cache: what netfilter has let through, by client and listener */
	};

	return names.count(name) != 0;
}

void for_each_key(const Pinned &map, const std::function<void(const std::string &)> &body)
{
	std::string key(map.info.key_size, '\0'), next = key;

	for (void *last = nullptr; !bpf_map_get_next_key(map.fd.fd(), last, next.data());) {
		key = next;
		last = key.data();
		body(key);
	}
}

/* The value as user space gets it: of a per-CPU map, those of all CPUs. */
std::string value_of(const Pinned &map, const void *key)
{
	bool per_cpu = map.info.type == BPF_MAP_TYPE_PERCPU_ARRAY ||
		       map.info.type == BPF_MAP_TYPE_PERCPU_HASH ||
		       map.info.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	size_t size =
		per_cpu ? (map.info.value_size + 7u) / 8 * 8 * (size_t)libbpf_num_possible_cpus() :
			  map.info.value_size;
	std::string value(size, '\0');

	return bpf_map_lookup_elem(map.fd.fd(), key, value.data()) ? "" : value;
}

/*
 * The name of a connection that the server closed before accept() gave it out is kept for ten
 * seconds, for an accept() that comes late; `truepeer status` does not count it either.
 */
bool is_a_name_only(const Pinned &map, const std::string &key)
{
	if (map.name != "tp_origins")
		return false;
	std::string value = value_of(map, key.data());
	tp_peer peer = {};

	std::memcpy(&peer, value.data(), std::min(value.size(), sizeof(peer)));
	return value.empty() || peer.state == TP_PEER_CLOSED;
}

/*
 * A translation outlives its connection by a minute, as long as TCP may answer for it, and with it
 * its flow on the wire (a test of its own looks at those whose connection never had a socket).
 */
bool is_ended_translation(const Pinned &map, const std::string &key)
{
	if (map.name == "tp_wires")
		return true;
	if (map.name != "tp_translations")
		return false;
	std::string value = value_of(map, key.data());
	tp_translation translation = {};

	std::memcpy(&translation, value.data(), std::min(value.size(), sizeof(translation)));
	return value.empty() || translation.state == TP_TRANSLATION_ENDED;
}

std::string ring_content(const Pinned &map)
{
	size_t page = (size_t)getpagesize(), size = page + map.info.max_entries;
	void *pages = mmap(nullptr, size, PROT_READ, MAP_SHARED, map.fd.fd(), (off_t)page);

	if (pages == MAP_FAILED)
		give_up("read ring buffer: " + map.name);
	std::string content((const char *)pages + page, map.info.max_entries);
	munmap(pages, size);
	return content;
}

bool holds(const Pinned &map, const std::string &bytes)
{
	bool found = false;
	auto look = [&](const std::string &content) {
		found = found || content.find(bytes) != std::string::npos;
	};

	if (map.info.type == BPF_MAP_TYPE_RINGBUF)
		look(ring_content(map));
	else if (map.info.type != BPF_MAP_TYPE_SOCKHASH && map.info.type != BPF_MAP_TYPE_SK_STORAGE)
		for_each_key(map, [&](const std::string &key) {
			look(key);
			look(value_of(map, key.data()));
		});
	return found;
}

} // namespace

std::map<std::string, size_t> entries_of_connections(const std::string &pin_dir)
{
	std::map<std::string, size_t> entries;

	for (const Pinned &map : pinned_maps(pin_dir)) {
		if (!has_keys(map.info) || is_configuration(map.name))
			continue;
		size_t &count = entries[map.name];
		for_each_key(map, [&](const std::string &key) {
			count += !is_a_name_only(map, key) && !is_ended_translation(map, key);
		});
	}
	return entries;
}

void expect_empty_maps(const Agent &agent, Ms limit)
{
	std::string left;
	auto empty = [&] {
		left.clear();
		for (const auto &[name, count] : entries_of_connections(agent.pin_dir()))
			if (count)
				left += " " + name + ": " + std::to_string(count);
		return left.empty();
	};

	EXPECT_TRUE(eventually(empty, limit))
		<< "entries of closed connections:" << left << "\n"
		<< agent.command({ "connections", "--json" }).out.substr(0, 4000)
		<< run({ "ss", "-tane" }).out.substr(0, 4000);
}

void clear_map(const Agent &agent, const std::string &name)
{
	for (const Pinned &map : pinned_maps(agent.pin_dir())) {
		std::vector<std::string> keys;

		if (map.name != name)
			continue;
		for_each_key(map, [&](const std::string &key) { keys.push_back(key); });
		for (const std::string &key : keys)
			bpf_map_delete_elem(map.fd.fd(), key.data());
	}
}

std::vector<std::string> readable_maps_with(const std::string &pin_dir, const std::string &bytes)
{
	std::vector<std::string> names;

	for (const Pinned &map : pinned_maps(pin_dir))
		if (map.readable && holds(map, bytes))
			names.push_back(map.name);
	return names;
}

} // namespace live

// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file Asks truepeer, through libtruepeer, whether it has taken the header out of a connection.
 *
 * The answer decides whether the first bytes of a connection may be read as a header. After truepeer
 * has removed the header, the bytes are the client's; if they were read as a header, any client could
 * claim any address. The answer must therefore be certain:
 *
 * - known: truepeer has removed the header, so nothing may be read as one.
 * - pending: truepeer is still waiting for the header.
 * - unhandled: truepeer does not run, or does not know the connection, which is alive. truepeer knows
 *   its connections from before accept() until TCP_CLOSE, so this is not one of them.
 * - reset: truepeer does not know the connection, which has ended. It may have been one of truepeer's,
 *   so it is dropped.
 * - unclear: truepeer's library is here, but truepeer cannot be asked. The connection is dropped.
 * - absent: there is no library, so it is assumed that there is no truepeer.
 */
'use strict';

const { Peer } = require('./peer.js');
const { V2_FIXED, ADDRESS_BLOCKS, COMMANDS, TRANSPORTS } = require('./parser.js');
const { ipv4Endpoint, ipv6Endpoint, unixEndpoint } = require('./address.js');

const [OK, NOT_RUNNING, NOT_FOUND, PENDING] = [0, -1, -3, -4];
const DEFAULT_DIR = '/sys/fs/bpf/truepeer';
const PEER_SIZE = 552; // the first version of struct truepeer_peer
const AT = { cookie: 8, headerBytes: 32, version: 34, command: 35, transport: 36, engine: 37,
	origin: 40, destination: 168, proxy: 296 };
const MAX_HEADER = 16384;
const CLOSE_MS = 10000;
const [AF_UNIX, AF_INET, AF_INET6] = [1, 2, 10];
const [SOL_SOCKET, SO_PROTOCOL, IPPROTO_MPTCP] = [1, 38, 262];
const ENGINES = ['none', 'handshake', 'sender', '', 'translate'];

/** Reads the struct sockaddr_storage at `at`. */
function endpoint(bytes, at) {
	switch (bytes.readUInt16LE(at)) {
	case AF_INET:
		return ipv4Endpoint(bytes, at + 4, at + 2);
	case AF_INET6:
		return ipv6Endpoint(bytes, at + 8, at + 2);
	case AF_UNIX:
		return unixEndpoint(bytes, at + 2);
	default:
		return null;
	}
}

/** Where the TLVs of a header of version 2 begin. */
function tlvsBegin(header) {
	return V2_FIXED + ADDRESS_BLOCKS[header[13] >> 4];
}

function same(a, b) {
	return a?.address === b?.address && a?.port === b?.port;
}

function peerOfStruct(bytes, header) {
	const proxy = endpoint(bytes, AT.proxy);
	const origin = endpoint(bytes, AT.origin);

	return new Peer({
		source: 'kernel',
		version: bytes[AT.version],
		command: COMMANDS[bytes[AT.command]],
		transport: TRANSPORTS[bytes[AT.transport]],
		headerBytes: bytes.readUInt16LE(AT.headerBytes),
		origin: same(origin, proxy) ? proxy : origin,
		destination: endpoint(bytes, AT.destination),
		proxy,
		engine: ENGINES[bytes[AT.engine]] || 'unknown',
	}, header, header ? tlvsBegin(header) : 0);
}

/** The library's functions, or null if there is no library or no koffi to call it with. */
function load(library) {
	try {
		const lib = require('koffi').load(library);

		return {
			open: lib.func('int truepeer_open(const char *dir, _Out_ void **handle)'),
			close: lib.func('void truepeer_close(void *handle)'),
			lookup: lib.func('int truepeer_lookup_fd(void *handle, int fd, void *peer)'),
			header: lib.func('int truepeer_get_header(void *handle, uint64_t cookie, void *buffer, ' +
				'_Inout_ size_t *size)'),
			text: lib.func('const char *truepeer_strerror(int error)'),
			// a function of the C library, which libtruepeer is linked with
			getsockopt: lib.func('int getsockopt(int fd, int level, int name, void *value, ' +
				'_Inout_ uint32_t *size)'),
		};
	} catch {
		return null;
	}
}

class Kernel {
	constructor(library, pinDir) {
		this.calls = load(library);
		this.pinDir = pinDir;
		this.struct = Buffer.alloc(PEER_SIZE);
		this.header = Buffer.alloc(MAX_HEADER);
		this.handle = null;
		this.closing = null;
	}

	/** @returns {{answer: string, peer?: Peer, detail?: string}} */
	ask(socket) {
		const handle = socket._handle;

		if (!this.calls)
			return { answer: 'absent' };
		if (!handle || !(handle.fd >= 0) || typeof handle.getpeername !== 'function')
			return { answer: 'unhandled' }; // it is no TCP socket
		const { struct } = this;
		const result = this.lookup(handle.fd, struct);

		if (result === OK)
			return { answer: 'known', peer: peerOfStruct(struct, this.keptHeader(struct)) };
		if (result === PENDING)
			return { answer: 'pending' };
		if (result === NOT_RUNNING) {
			this.closeLater();
			return { answer: 'unhandled' };
		}
		if (result !== NOT_FOUND)
			return { answer: 'unclear', detail: this.calls.text(result) };
		if (this.isMultipath(handle.fd))
			return { answer: 'unclear', detail: 'a socket of Multipath TCP cannot be looked up' };
		// this comes after the look-up: a socket that has a peer's name now was alive during the look-up
		return { answer: handle.getpeername({}) === 0 ? 'unhandled' : 'reset' };
	}

	lookup(fd, struct) {
		if (!this.handle) {
			const out = [null];
			const result = this.calls.open(this.pinDir ?? DEFAULT_DIR, out);

			if (result !== OK)
				return result;
			[this.handle] = out;
		}
		struct.writeUInt32LE(PEER_SIZE, 0);
		return this.calls.lookup(this.handle, fd, struct);
	}

	/**
	 * Closes the maps of an agent that has ended, because they take memory while they are open. They stay
	 * open for a while, because they have the connections that the agent left in the accept queue.
	 */
	closeLater() {
		const { handle } = this;

		if (!handle || this.closing)
			return;
		this.closing = setTimeout(() => {
			this.calls.close(handle);
			this.handle = this.closing = null;
		}, CLOSE_MS).unref();
	}

	/** The header, which truepeer keeps if it has TLVs; null otherwise. */
	keptHeader(struct) {
		if (struct[AT.version] !== 2 || struct[AT.command] !== 1)
			return null;
		const length = struct.readUInt16LE(AT.headerBytes);

		if (length <= 28) // the length of an IPv4 header without TLVs
			return null;
		const size = [MAX_HEADER];
		const result = this.calls.header(this.handle, struct.readBigUInt64LE(AT.cookie), this.header, size);
		const kept = Number(size[0]);

		if (result !== OK || kept === 0)
			return null;
		const copy = Buffer.from(this.header.subarray(0, kept));

		return kept > tlvsBegin(copy) ? copy : null;
	}

	isMultipath(fd) {
		const value = Buffer.alloc(4);

		return this.calls.getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, value, [4]) !== 0 ||
			value.readInt32LE(0) === IPPROTO_MPTCP;
	}
}

const kernels = new Map(); // one for each library and directory

/** @param {{library: string, pinDir: string | null}} options */
function kernelFor({ library, pinDir }) {
	const key = `${library}\n${pinDir ?? ''}`;

	if (!kernels.has(key))
		kernels.set(key, new Kernel(library, pinDir));
	return kernels.get(key);
}

module.exports = { kernelFor };

// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file Asks truepeer, through libtruepeer, whether it has taken the header out of a connection.
 *
 * That answer decides whether the bytes of a connection may be read as a header. What comes
 * behind the header that truepeer has removed is the client's: read as a header it would let any client
 * claim any address. So the answer must be a proof, one way or the other:
 *
 * - known: truepeer has removed the header; nothing may be read as one.
 * - unhandled: truepeer does not run, or knows nothing of the connection although that is alive. It
 *   keeps a connection from before accept() until TCP_CLOSE, so that proves that it is none of its own.
 * - reset: it is not known, and has ended. Nothing is proved: such a connection is dropped.
 * - unclear: truepeer's library is here, and truepeer cannot be asked. Nothing is proved.
 * - absent: there is no library, so nobody has said that there might be a truepeer.
 */
'use strict';

const { Peer } = require('./peer.js');
const { ipv4Text, ipv6Text } = require('./address.js');

const [OK, NOT_RUNNING, NOT_FOUND, PENDING] = [0, -1, -3, -4];
const DEFAULT_DIR = '/sys/fs/bpf/truepeer';
const PEER_SIZE = 552; // the first version of struct truepeer_peer
const AT = { cookie: 8, headerBytes: 32, version: 34, command: 35, transport: 36, engine: 37,
	origin: 40, destination: 168, proxy: 296 };
const MAX_HEADER = 16384;
const CLOSE_MS = 10000;
const [AF_UNIX, AF_INET, AF_INET6] = [1, 2, 10];
const UNIX_PATH = 108;
const [SOL_SOCKET, SO_PROTOCOL, IPPROTO_MPTCP] = [1, 38, 262];
const COMMANDS = ['LOCAL', 'PROXY'];
const TRANSPORTS = ['unspec', 'stream', 'dgram'];
const ENGINES = ['none', 'handshake', 'sender', 'stream'];

/** A struct sockaddr_storage at `at`. */
function endpoint(bytes, at) {
	switch (bytes.readUInt16LE(at)) {
	case AF_INET:
		return { family: 'IPv4', address: ipv4Text(bytes, at + 4), port: bytes.readUInt16BE(at + 2) };
	case AF_INET6:
		return { family: 'IPv6', address: ipv6Text(bytes, at + 8), port: bytes.readUInt16BE(at + 2) };
	case AF_UNIX: {
		const path = bytes.subarray(at + 2, at + 2 + UNIX_PATH);
		const end = path.indexOf(0);

		return { family: 'unix', path: path.toString('utf8', 0, end < 0 ? UNIX_PATH : end) };
	}
	default:
		return null;
	}
}

/** Where the TLVs of a header of version 2 begin. */
function tlvsBegin(header) {
	const family = header[13] >> 4;

	return 16 + (family === 1 ? 12 : family === 2 ? 36 : 216);
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
		engine: ENGINES[bytes[AT.engine]] ?? 'unknown',
	}, header, header ? tlvsBegin(header) : 0);
}

/** The library's functions, or null where there is no library or nothing to call it with. */
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
			// of the C library, which libtruepeer is linked with
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
			return { answer: 'unhandled' }; // no TCP socket
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
			return { answer: 'unclear', detail: 'Multipath TCP has no socket that it could be asked for' };
		// after the look-up: a socket that has its peer's name now has not ended before
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
	 * The maps of a truepeer that has ended take memory as long as they are open, and know of the
	 * connections that it has left in the queue of accept().
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

	/** The header, where it was kept because it has TLVs. */
	keptHeader(struct) {
		if (struct[AT.version] !== 2 || struct[AT.command] !== 1)
			return null;
		const length = struct.readUInt16LE(AT.headerBytes);

		if (length <= 28) // IPv4 and no TLVs
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

const kernels = new Map(); // by library and directory: one handle for each

/** @param {{library: string, pinDir: string | null}} options */
function kernelFor({ library, pinDir }) {
	const key = `${library}\n${pinDir ?? ''}`;

	if (!kernels.has(key))
		kernels.set(key, new Kernel(library, pinDir));
	return kernels.get(key);
}

module.exports = { kernelFor };

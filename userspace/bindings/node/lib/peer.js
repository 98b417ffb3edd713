// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file What is known of a connection, and how its sockets show it.
 *
 * A socket gets plain properties, and its name where Node itself keeps it: properties with getters, defined
 * on each socket, would make V8 treat the socket as a dictionary, which costs a tenth of a server's
 * connections per second.
 */
'use strict';

const net = require('net');

const { decodeTlvs } = require('./tlv.js');
const { unmapped } = require('./networks.js');

const NO_TLVS = Object.freeze([]);
const judged = Symbol('truepeer');

/** A connection's peer, as `socket.truepeer` has it. */
class Peer {
	#header;
	#from;
	#tlvs = null;

	/**
	 * @param {object} fields
	 * @param {Buffer | null} header the header, where it has TLVs
	 * @param {number} from where they begin
	 */
	constructor(fields, header, from) {
		this.source = fields.source;
		this.version = fields.version;
		this.command = fields.command;
		this.transport = fields.transport;
		this.headerBytes = fields.headerBytes;
		this.origin = fields.origin;
		this.destination = fields.destination;
		this.proxy = fields.proxy;
		if (fields.engine)
			this.engine = fields.engine;
		this.#header = header;
		this.#from = from;
	}

	/** The TLVs of the header; none with version 1. */
	get tlvs() {
		if (!this.#tlvs)
			this.#tlvs = this.#header ? decodeTlvs(this.#header, this.#from, this.#header.length) : NO_TLVS;
		return this.#tlvs;
	}
}

/** An end of a TCP connection; null of an AF_UNIX one. An IPv4 address is shown as such. */
function end(address, port) {
	if (!address)
		return null;
	const plain = unmapped(address);

	return { family: plain.includes(':') ? 'IPv6' : 'IPv4', address: plain, port };
}

/**
 * @param {import('net').Socket} socket
 * @param {import('./parser.js').Header} header
 * @param {Buffer} bytes the header and what came with it
 */
function peerOfHeader(socket, header, bytes) {
	const proxy = end(socket.remoteAddress, socket.remotePort);
	// a copy: what came with the header must not stay in memory for its sake
	const kept = header.tlvs ? Buffer.from(bytes.subarray(0, header.bytes)) : null;

	return new Peer({
		source: 'header',
		version: header.version,
		command: header.command,
		transport: header.transport,
		headerBytes: header.bytes,
		origin: header.origin || proxy,
		destination: header.destination || end(socket.localAddress, socket.localPort),
		proxy,
	}, kept, header.tlvs);
}

/** Whether net.Socket takes its peer's name from where it keeps it, as all versions so far do. */
const keepsName = (() => {
	const socket = new net.Socket();

	socket._peername = { address: '192.0.2.1', port: 1, family: 'IPv4' };
	return socket.remoteAddress === '192.0.2.1' && socket.remotePort === 1 && socket.remoteFamily === 'IPv4';
})();

function nameSocket(socket, { address, port, family }) {
	if (keepsName && socket instanceof net.Socket) {
		socket._peername = { address, port, family };
		return;
	}
	for (const [name, value] of [['remoteAddress', address], ['remotePort', port], ['remoteFamily', family]])
		Object.defineProperty(socket, name, { value, writable: true, configurable: true, enumerable: false });
}

/** Gives a socket of the connection its properties; `peer` is null where there is no header. */
function show(socket, peer, options) {
	socket[judged] = peer;
	if (!peer)
		return;
	const { origin, destination, proxy } = peer;
	const name = options.overrideRemote ? origin : proxy;

	// AF_UNIX paths are no names for remoteAddress; the proxy's name is the socket's own, unless the kernel
	// has given it the client's
	if (name?.address && (peer.source === 'kernel' || name !== proxy))
		nameSocket(socket, name);
	socket.truepeer = peer;
	// the names that findhit-proxywrap gives its users
	socket.clientAddress = origin?.address;
	socket.clientPort = origin?.port;
	socket.proxyAddress = destination?.address;
	socket.proxyPort = destination?.port;
}

/** @returns {Peer | null | undefined} null: it has no header; undefined: nobody has looked yet */
function judgementOf(socket) {
	return socket[judged];
}

module.exports = { Peer, peerOfHeader, show, judgementOf };

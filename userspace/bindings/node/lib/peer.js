// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file What is known of a connection, and how its sockets show it.
 *
 * A socket gets plain properties, and the client's name is put where Node itself keeps the peer's name. If
 * each socket had properties with getters instead, V8 would treat it as a dictionary, which costs a tenth of a
 * server's connections per second.
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
	 * @param {Buffer | null} header the header, if it has TLVs
	 * @param {number} from where the TLVs begin
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

	/** The TLVs of the header; an empty list with version 1. */
	get tlvs() {
		if (!this.#tlvs)
			this.#tlvs = this.#header ? decodeTlvs(this.#header, this.#from, this.#header.length) : NO_TLVS;
		return this.#tlvs;
	}
}

/** An end of a TCP connection, with a mapped IPv4 address as IPv4; null for an AF_UNIX socket. */
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
	// copy the header, so that the bytes that came with it need not stay in memory
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

/** Whether net.Socket shows the name in _peername, as all versions of Node have done so far. */
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

/** Gives a socket of the connection its properties; `peer` is null if there is no header. */
function show(socket, peer, options) {
	socket[judged] = peer;
	if (!peer)
		return;
	const { origin, destination, proxy } = peer;
	const name = options.overrideRemote ? origin : proxy;

	// remoteAddress cannot be an AF_UNIX path; and the socket already has the proxy's name, unless the
	// kernel has given it the client's
	if (name?.address && (peer.source === 'kernel' || name !== proxy))
		nameSocket(socket, name);
	socket.truepeer = peer;
	// the names that findhit-proxywrap gives its users
	socket.clientAddress = origin?.address;
	socket.clientPort = origin?.port;
	socket.proxyAddress = destination?.address;
	socket.proxyPort = destination?.port;
}

/** @returns {Peer | null | undefined} null if it has no header; undefined if it has not been judged yet */
function judgementOf(socket) {
	return socket[judged];
}

module.exports = { Peer, peerOfHeader, show, judgementOf };

// SPDX-License-Identifier: BSD-2-Clause
/** @file What is known of a connection, and how its sockets show it. */
'use strict';

const { decodeTlvs } = require('./tlv.js');
const { unmapped } = require('./networks.js');

const NO_TLVS = Object.freeze([]);

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
		Object.assign(this, fields);
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

/** What is known of one connection: its endpoints at once, the rest when somebody asks. */
class Record {
	#make;
	#peer = null;

	/**
	 * @param {object | null} origin @param {object | null} proxy
	 * @param {boolean} announced whether the origin is another than the proxy
	 * @param {() => Peer} make
	 */
	constructor(origin, proxy, announced, make) {
		this.origin = origin;
		this.proxy = proxy;
		this.announced = announced;
		this.byKernel = false;
		this.#make = make;
	}

	get peer() {
		if (!this.#peer) {
			this.#peer = this.#make();
			this.#make = null;
		}
		return this.#peer;
	}
}

/**
 * @param {import('net').Socket} socket
 * @param {import('./parser.js').Header} header
 * @param {Buffer} bytes the header and what came with it
 */
function recordOfHeader(socket, header, bytes) {
	const proxy = end(socket.remoteAddress, socket.remotePort);
	const origin = header.origin || proxy;
	// a copy: what came with the header must not stay in memory for its sake
	const kept = header.tlvs ? Buffer.from(bytes.subarray(0, header.bytes)) : null;

	return new Record(origin, proxy, header.origin !== null, () => new Peer({
		source: 'header',
		version: header.version,
		command: header.command,
		transport: header.transport,
		headerBytes: header.bytes,
		origin,
		destination: header.destination || end(socket.localAddress, socket.localPort),
		proxy,
	}, kept, header.tlvs));
}

function define(socket, name, value) {
	Object.defineProperty(socket, name, { value, writable: true, configurable: true, enumerable: false });
}

function showRemote(socket, endpoint) {
	if (!endpoint || !endpoint.address)
		return; // AF_UNIX: there is no name for that
	define(socket, 'remoteAddress', endpoint.address);
	define(socket, 'remotePort', endpoint.port);
	define(socket, 'remoteFamily', endpoint.family);
}

/** The names that findhit-proxywrap gives its users. */
function showClient(socket, record) {
	const { origin } = record;

	define(socket, 'clientAddress', origin && origin.address);
	define(socket, 'clientPort', origin && origin.port);
	for (const [name, part] of [['proxyAddress', 'address'], ['proxyPort', 'port']]) {
		Object.defineProperty(socket, name, {
			get: () => record.peer.destination?.[part],
			configurable: true,
			enumerable: false,
		});
	}
}

/** Gives a socket of the connection its properties. */
function show(socket, record, options) {
	if (options.overrideRemote && record.announced)
		showRemote(socket, record.origin);
	else if (!options.overrideRemote && record.byKernel)
		showRemote(socket, record.proxy);
	showClient(socket, record);
	Object.defineProperty(socket, 'truepeer', {
		get: () => record.peer,
		configurable: true,
		enumerable: false,
	});
}

module.exports = { Peer, Record, recordOfHeader, show };

// SPDX-License-Identifier: BSD-2-Clause
/** @file What the tests share: headers, servers of every kind, clients. */
'use strict';

const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const net = require('net');
const path = require('path');
const tls = require('tls');

const truepeer = require('../index.js');

/**
 * tests/apps/node_test.cpp runs tests on a port that truepeer serves: TP_NODE_PORT; with the options
 * TP_NODE_OPTIONS (JSON), or, where those are "unmodified", with unmodified servers.
 */
const { TP_NODE_PORT, TP_NODE_OPTIONS } = process.env;
const MORE = TP_NODE_OPTIONS && TP_NODE_OPTIONS !== 'unmodified' ? JSON.parse(TP_NODE_OPTIONS) : {};

function proxy(module, options) {
	return TP_NODE_OPTIONS === 'unmodified' ? module : truepeer.proxy(module, { ...options, ...MORE });
}

const CREDENTIALS = {
	key: fs.readFileSync(path.join(__dirname, 'data/key.pem')),
	cert: fs.readFileSync(path.join(__dirname, 'data/certificate.pem')),
};
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const ORIGIN = '203.0.113.9:4242';
const LIMIT_MS = 20000;

function v1(address = '203.0.113.9', port = 4242) {
	return Buffer.from(`PROXY TCP4 ${address} 198.51.100.1 ${port} 443\r\n`);
}

function tlv(type, value) {
	const bytes = Buffer.from(value);

	return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 255]), bytes]);
}

function v2Raw(command, family, block) {
	const fixed = Buffer.from([0x20 | command, family, block.length >> 8, block.length & 255]);

	return Buffer.concat([SIGNATURE, fixed, block]);
}

function v2(address = '203.0.113.9', port = 4242, tlvs = []) {
	const block = Buffer.alloc(12);

	block.set(address.split('.').map(Number), 0);
	block.set([198, 51, 100, 1], 4);
	block.writeUInt16BE(port, 8);
	block.writeUInt16BE(443, 10);
	return v2Raw(1, 0x11, Buffer.concat([block, ...tlvs]));
}

function describe(socket) {
	return `${socket.remoteAddress}:${socket.remotePort}`;
}

class Inherited extends net.Server {}

/**
 * Servers that answer "address:port" of their peer, by name: make(options) for the wrapped module,
 * continued(socket) for what a client gets on a connection whose header was sent, ask(port, preamble) for
 * what one gets on a new one that begins with `preamble`. `greeting` is what
 * a client without a header begins with where the protocol has no beginning of its own.
 */
const KINDS = {
	net: {
		make: (options) => proxy(net, options).createServer((s) => s.on('error', () => {}).end(describe(s))),
		continued: readAll,
		greeting: Buffer.from('hello'),
	},
	inherited: {
		make(options) {
			class Server extends proxy({ Server: Inherited }, options).Server {}

			return new Server((s) => s.on('error', () => {}).end(describe(s)));
		},
		continued: readAll,
		greeting: Buffer.from('hello'),
	},
	http: {
		make: (options) => proxy(http, options).createServer((q, r) => r.end(describe(q.socket))),
		continued: askHttp,
	},
	tls: {
		make: (options) => proxy(tls, options).createServer(CREDENTIALS, (s) => {
			s.on('error', () => {}).end(describe(s));
		}),
		continued: (socket) => readAll(overTls(socket)),
	},
	https: {
		make: (options) => proxy(https, options).createServer(CREDENTIALS, (q, r) => r.end(describe(q.connection))),
		continued: (socket) => askHttp(overTls(socket)),
	},
	http2: {
		make: (options) => proxy(http2, options).createServer((q, r) => r.end(describe(q.stream.session.socket))),
		continued: askHttp2,
	},
	http2_secure: {
		make: (options) => proxy(http2, options).createSecureServer(CREDENTIALS, (q, r) => r.end(describe(q.socket))),
		continued: (socket) => askHttp2(overTls(socket, ['h2'])),
	},
	http2_secure_http1: {
		make: (options) => proxy(http2, options).createSecureServer({ ...CREDENTIALS, allowHTTP1: true },
			(q, r) => r.end(describe(q.socket))),
		continued: (socket) => askHttp(overTls(socket)),
	},
};

for (const kind of Object.values(KINDS))
	kind.ask = async (port, preamble) => kind.continued(await preceded(port, preamble));

/** A connection on which `preamble` was sent. */
function preceded(port, preamble) {
	return new Promise((resolve, reject) => {
		const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });

		socket.setTimeout(LIMIT_MS, () => socket.destroy(new Error('no answer in time')));
		socket.once('error', reject);
		socket.once('connect', () => {
			if (preamble && preamble.length)
				socket.write(preamble);
			resolve(socket);
		});
	});
}

/** What comes up to the end; '' where the connection is reset. */
function readAll(socket) {
	return new Promise((resolve) => {
		let text = '';

		socket.setEncoding('latin1');
		socket.on('data', (data) => (text += data));
		socket.on('error', () => {});
		socket.on('close', () => resolve(text));
		socket.on('end', () => socket.end());
	});
}

function overTls(socket, ALPNProtocols) {
	return tls.connect({ socket, rejectUnauthorized: false, servername: 'localhost', ALPNProtocols })
		.on('error', () => {});
}

function askHttp(socket) {
	const answer = readAll(socket);

	socket.write('GET / HTTP/1.0\r\nHost: localhost\r\n\r\n');
	return answer.then((text) => text.split('\r\n\r\n')[1] ?? '');
}

function askHttp2(socket) {
	return new Promise((resolve) => {
		const session = http2.connect('http://localhost', { createConnection: () => socket });
		const stream = session.request({ ':path': '/' });
		let text = '';

		session.on('error', () => {});
		stream.on('error', () => {});
		stream.setEncoding('latin1');
		stream.on('data', (data) => (text += data));
		stream.on('close', () => {
			session.destroy();
			socket.destroy();
			resolve(text);
		});
		socket.on('close', () => resolve(text));
	});
}

/** Listens on a port of the loopback address while `body(port, server)` runs. */
async function serving(server, body, listen = { port: Number(TP_NODE_PORT ?? 0), host: '127.0.0.1' }) {
	const sockets = new Set();

	// below everything that is tested: what the kernel has accepted
	server.listen(listen);
	await new Promise((resolve) => server.once('listening', resolve));
	const emit = server.emit;
	server.emit = function remember(event, ...args) {
		if (event === 'connection')
			sockets.add(args[0]);
		return emit.call(this, event, ...args);
	};
	try {
		return await body(server.address().port, server);
	} finally {
		const closed = new Promise((resolve) => server.close(resolve));

		for (const socket of sockets)
			socket.destroy();
		await closed;
	}
}

/** A port that nobody listens on at this moment. */
function freePort() {
	return new Promise((resolve) => {
		const server = net.createServer().listen(0, '127.0.0.1', () => {
			const { port } = server.address();

			server.close(() => resolve(port));
		});
	});
}

function sleep(ms) {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

/** True as soon as the condition holds; false after LIMIT_MS. */
async function eventually(condition) {
	for (const start = Date.now(); Date.now() - start < LIMIT_MS;) {
		if (await condition())
			return true;
		await sleep(10);
	}
	return false;
}

/** The next refusal that the server tells of. */
function refusal(server) {
	return new Promise((resolve) => server.once('proxyError', (error, socket) => resolve({ error, socket })));
}

module.exports = { KINDS, CREDENTIALS, ORIGIN, v1, v2, v2Raw, tlv, preceded, readAll, overTls, askHttp, serving,
	sleep, eventually, refusal, describe, freePort, proxy };

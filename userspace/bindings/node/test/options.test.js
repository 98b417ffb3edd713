// SPDX-License-Identifier: BSD-2-Clause
/** @file Options: what each of them refuses and lets in, and how the server is told. */
'use strict';

const assert = require('assert');
const http = require('http');
const net = require('net');
const test = require('node:test');

const { proxy, ProxyError } = require('../index.js');
const { KINDS, ORIGIN, v1, v2, v2Raw, tlv, preceded, readAll, serving, refusal } = require('./support.js');

/** Why a client is refused that sends these bytes and, where `end` says so, ends. */
function refusedFor(options, bytes, { end = false } = {}) {
	return serving(KINDS.net.make(options), async (port, server) => {
		const refused = refusal(server);
		const client = await preceded(port, bytes);

		if (end)
			client.end();
		assert.strictEqual(await readAll(client), '');
		const { error } = await refused;

		assert.ok(error instanceof ProxyError);
		return error.reason;
	});
}

const REFUSALS = [
	['no_header', {}, 'GET / HTTP/1.0\r\n\r\n'],
	['bad_v1', {}, 'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n'],
	['bad_v1', { strict: false }, `PROXY ${'x'.repeat(120)}`],
	['bad_v2', {}, Buffer.concat([v2().subarray(0, 12), Buffer.from([0x11])])],
	['bad_command', {}, v2Raw(2, 0x11, Buffer.alloc(12))],
	['bad_family', {}, v2Raw(1, 0x41, Buffer.alloc(12))],
	['bad_length', {}, v2Raw(1, 0x21, Buffer.alloc(12))],
	['bad_tlv', {}, v2('1.2.3.4', 1, [Buffer.from([1, 0])])],
	['bad_crc', { strict: false }, v2('1.2.3.4', 1, [tlv(3, [1, 2, 3, 4])])],
	['too_long', {}, v2('1.2.3.4', 1, [tlv(4, Buffer.alloc(4096))])],
	['too_long', { maxHeader: 100 }, v2('1.2.3.4', 1, [tlv(4, Buffer.alloc(100))])],
	['version', { versions: 2 }, v1()],
	['version', { versions: [1] }, v2()],
	['timeout', { timeout: 50 }, ''],
	['timeout', { timeout: 50, strict: false }, 'PROXY TCP4'],
	['truncated', {}, 'PROXY TCP4', { end: true }],
	['truncated', { strict: false }, 'PRO', { end: true }],
	['empty', {}, '', { end: true }],
	['untrusted', { trust: '10.0.0.0/8' }, v1()],
	['untrusted', { trust: [] }, v1()],
	['untrusted', { trust: ['::/0'] }, v1()],
];

for (const [reason, options, bytes, more] of REFUSALS) {
	test(`${reason}: ${JSON.stringify(options)} ${JSON.stringify(String(bytes).slice(0, 12))}`, async () => {
		assert.strictEqual(await refusedFor(options, bytes, more), reason);
	});
}

test('trust: addresses and networks of both families', async () => {
	for (const trust of ['127.0.0.1', '127.0.0.0/8', ['10.0.0.0/8', '0.0.0.0/0'], '127.0.0.1/32'])
		await serving(KINDS.net.make({ trust }), async (port) => assert.strictEqual(await KINDS.net.ask(port, v1()), ORIGIN));
	// an AF_INET6 socket shows IPv4 clients as ::ffff:127.0.0.1
	await serving(KINDS.net.make({ trust: '127.0.0.0/8' }), async (port) => {
		assert.strictEqual(await KINDS.net.ask(port, v1()), ORIGIN);
	}, { port: 0, host: '::' });
});

test('not strict and untrusted: served, and the header is payload', () => {
	const server = proxy(net, { strict: false, trust: ['10.0.0.0/8'] }).createServer((socket) => {
		socket.once('data', (data) => socket.end(`${socket.remoteAddress} ${data}`));
	});

	return serving(server, async (port) => {
		assert.strictEqual(await KINDS.net.ask(port, v1()), `127.0.0.1 ${v1()}`);
	});
});

test('not strict: the server speaks first to a client that says nothing, after the timeout', () =>
	serving(KINDS.net.make({ strict: false, timeout: 50 }), async (port) => {
		assert.match(await KINDS.net.ask(port, ''), /^127\.0\.0\.1:/);
	}));

test('not strict: a client that ends without a byte is served', () =>
	serving(KINDS.net.make({ strict: false, timeout: 0 }), async (port) => {
		const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });

		client.end();
		assert.match(await readAll(client), /^127\.0\.0\.1:/);
	}));

test('not strict: what does not begin like a header is passed on whole', () => {
	const server = proxy(net, { strict: false }).createServer((socket) => {
		socket.once('data', (data) => socket.end(data));
	});

	return serving(server, async (port) => {
		for (const text of ['G', 'PROXX', '\r\n\r\n\0\r\nQUIX', 'POST / HTTP/1.0\r\n\r\n'])
			assert.strictEqual(await KINDS.net.ask(port, Buffer.from(text)), text);
	});
});

test('maxHeader: longer headers where they are allowed', () =>
	serving(KINDS.net.make({ maxHeader: 65551 }), async (port) => {
		assert.strictEqual(await KINDS.net.ask(port, v2('203.0.113.9', 4242, [tlv(4, Buffer.alloc(65500))])), ORIGIN);
	}));

test('overrideRemote: false leaves the proxy\'s name, and clientAddress has the client\'s', () => {
	const server = proxy(http, { overrideRemote: false }).createServer((request, response) => {
		const { remoteAddress, clientAddress, clientPort } = request.socket;

		response.end(`${remoteAddress} ${clientAddress}:${clientPort}`);
	});

	return serving(server, async (port) => {
		assert.strictEqual(await KINDS.http.ask(port, v1()), `127.0.0.1 ${ORIGIN}`);
	});
});

test('ignoreStrictExceptions: nothing is told', () =>
	serving(KINDS.net.make({ ignoreStrictExceptions: true }), async (port, server) => {
		let told = false;

		server.on('proxyError', () => (told = true));
		assert.strictEqual(await KINDS.net.ask(port, 'hello'), '');
		assert.strictEqual(await KINDS.net.ask(port, v1()), ORIGIN);
		assert.strictEqual(told, false);
	}));

test('options that mean nothing are refused', () => {
	for (const [options, message] of [
		[{ truts: [] }, /unknown option: truts/], [{ trust: ['10.0.0.0/33'] }, /trust: 10.0.0.0\/33/],
		[{ trust: 'example.com' }, /trust: example.com/], [{ trust: '10.0.0.0/8/8' }, /trust/],
		[{ trust: '10.0.0.0/' }, /trust/], [{ timeout: -1 }, /timeout: -1/], [{ timeout: '5' }, /timeout/],
		[{ versions: [] }, /versions/], [{ versions: 3 }, /versions: 3/], [{ maxHeader: 70000 }, /maxHeader/],
		[{ kernel: 'maybe' }, /kernel: maybe/],
	])
		assert.throws(() => proxy(http, options), (error) => error instanceof TypeError && message.test(error.message));
	proxy(http, { trust: undefined, timeout: undefined });
});

// SPDX-License-Identifier: BSD-2-Clause
/** @file Every kind of server: who its clients are, and whom it never sees. */
'use strict';

const assert = require('assert');
const events = require('events');
const http = require('http');
const net = require('net');
const test = require('node:test');
const util = require('util');

const { proxy, attach } = require('../index.js');
const { KINDS, ORIGIN, v1, v2, v2Raw, tlv, preceded, readAll, askHttp, serving, refusal, describe,
	eventually } = require('./support.js');

const LOCAL = v2Raw(0, 0, Buffer.alloc(0));
const SPLIT = { '1': v1(), '2': v2('203.0.113.9', 4242, [tlv(0x02, 'example.com')]) };

/** What counts handlers that have run. */
function watch(server) {
	const seen = [];

	for (const event of ['connection', 'secureConnection', 'session', 'request', 'tlsClientError'])
		server.on(event, () => seen.push(event));
	return seen;
}

for (const [name, kind] of Object.entries(KINDS)) {
	for (const version of ['1', '2']) {
		test(`${name}: version ${version}: the client's address and port`, () => serving(kind.make(), async (port) => {
			assert.strictEqual(await kind.ask(port, SPLIT[version]), ORIGIN);
		}));
	}

	test(`${name}: LOCAL: the proxy's own address`, () => serving(kind.make(), async (port) => {
		assert.match(await kind.ask(port, LOCAL), /^127\.0\.0\.1:\d+$/);
	}));

	test(`${name}: no header, strict: dropped, and no handler runs`, () => serving(kind.make(), async (port, server) => {
		const seen = watch(server);
		const refused = refusal(server);

		assert.strictEqual(await kind.ask(port, kind.greeting), '');
		assert.strictEqual((await refused).error.reason, 'no_header');
		assert.deepStrictEqual(seen, []);
	}));

	test(`${name}: no header, not strict: served under its own address`, () =>
		serving(kind.make({ strict: false }), async (port) => {
			assert.match(await kind.ask(port, kind.greeting), /^127\.0\.0\.1:\d+$/);
		}));

	test(`${name}: a header, not strict: the client's address`, () =>
		serving(kind.make({ strict: false }), async (port) => {
			assert.strictEqual(await kind.ask(port, v1()), ORIGIN);
		}));

	test(`${name}: untrusted, strict: dropped unread`, () =>
		serving(kind.make({ trust: ['10.0.0.0/8', '2001:db8::/32'] }), async (port, server) => {
			const seen = watch(server);
			const refused = refusal(server);

			assert.strictEqual(await kind.ask(port, v1()), '');
			assert.strictEqual((await refused).error.reason, 'untrusted');
			assert.deepStrictEqual(seen, []);
		}));
}

test('inherited from the wrapped Server in the old way', () => {
	const wrapped = proxy(net);

	function Old(listener) {
		wrapped.Server.call(this, listener);
		this.old = true;
	}
	util.inherits(Old, wrapped.Server);
	return serving(new Old((s) => s.end(describe(s))), async (port, server) => {
		assert.ok(server.old && server instanceof net.Server && server instanceof wrapped.Server);
		assert.strictEqual(await KINDS.net.ask(port, v1()), ORIGIN);
	});
});

test('Server without new, and a class itself', async () => {
	class Mine extends net.Server {}
	const server = proxy(http).Server((q, r) => r.end(describe(q.socket)));

	assert.ok(server instanceof http.Server);
	await serving(server, async (port) => assert.strictEqual(await KINDS.http.ask(port, v1()), ORIGIN));
	const Wrapped = proxy(Mine);

	await serving(new Wrapped((s) => s.end(describe(s))), async (port, made) => {
		assert.ok(made instanceof Mine);
		assert.strictEqual(await KINDS.net.ask(port, v1()), ORIGIN);
	});
});

test('a class with an emit() of its own sees connections behind their headers', () => {
	const seen = [];

	class Own extends proxy(net).Server {
		emit(event, ...args) {
			seen.push(event === 'connection' ? describe(args[0]) : event);
			return super.emit(event, ...args);
		}
	}
	return serving(new Own((s) => s.end()), async (port) => {
		await KINDS.net.ask(port, v1());
		assert.ok(seen.includes(ORIGIN));
		assert.ok(!seen.some((text) => text.startsWith('127.')));
	});
});

test('attach() to a server that exists, once', () => {
	const server = http.createServer((q, r) => r.end(describe(q.socket)));

	attach(attach(server));
	return serving(server, async (port) => assert.strictEqual(await KINDS.http.ask(port, v1()), ORIGIN));
});

test('the module is a copy: the original is as it was', () => {
	const before = Object.getOwnPropertyDescriptors(http);
	const wrapped = proxy(http);

	assert.deepStrictEqual(Object.getOwnPropertyDescriptors(http), before);
	assert.notStrictEqual(wrapped.createServer, http.createServer);
	assert.strictEqual(wrapped.request, http.request);
	assert.strictEqual(wrapped.globalAgent, http.globalAgent);
	assert.throws(() => proxy({}), /neither Server nor createServer/);
	assert.throws(() => proxy(null), /neither Server nor createServer/);
});

test('ECMAScript modules: import of this module, and of the one that is wrapped', async () => {
	const { proxy: imported, default: all } = await import('truepeer');
	const namespace = await import('http');
	const server = imported(namespace).createServer((q, r) => r.end(describe(q.socket)));

	assert.strictEqual(all.proxy, imported);
	await serving(server, async (port) => assert.strictEqual(await KINDS.http.ask(port, v1()), ORIGIN));
});

test('a wrapped server that hands its connections to another: one header', () => {
	const inner = proxy(http).createServer((q, r) => r.end(describe(q.socket)));
	const outer = proxy(net).createServer((socket) => inner.emit('connection', socket));

	return serving(outer, async (port) => assert.strictEqual(await KINDS.http.ask(port, v1()), ORIGIN));
});

test('a connection that a plain server hands over is read', () => {
	const inner = proxy(http).createServer((q, r) => r.end(describe(q.socket)));
	const outer = net.createServer({ pauseOnConnect: true }, (socket) => inner.emit('connection', socket));

	return serving(outer, async (port) => assert.strictEqual(await KINDS.http.ask(port, v1()), ORIGIN));
});

test('a second header is payload', () => {
	const server = proxy(net).createServer((s) => {
		s.once('data', (data) => s.end(`${describe(s)} ${data}`));
	});

	return serving(server, async (port) => {
		const text = await KINDS.net.ask(port, Buffer.concat([v1(), v1('6.6.6.6', 6)]));

		assert.strictEqual(text, `${ORIGIN} ${v1('6.6.6.6', 6)}`);
	});
});

test('socket.truepeer and the names of findhit-proxywrap', () => {
	const server = proxy(net).createServer((s) => s.end());

	return serving(server, async (port) => {
		const accepted = events.once(server, 'connection');
		const client = await preceded(port, v2('203.0.113.9', 4242, [tlv(0x02, 'example.com')]));
		const [socket] = await accepted;
		const peer = socket.truepeer;

		assert.deepStrictEqual({ ...peer }, {
			source: 'header', version: 2, command: 'PROXY', transport: 'stream', headerBytes: 42,
			origin: { family: 'IPv4', address: '203.0.113.9', port: 4242 },
			destination: { family: 'IPv4', address: '198.51.100.1', port: 443 },
			proxy: { family: 'IPv4', address: '127.0.0.1', port: client.localPort },
		});
		assert.strictEqual(peer.tlvs[0].value.toString(), 'example.com');
		assert.strictEqual(socket.truepeer, peer);
		assert.strictEqual(socket.remoteFamily, 'IPv4');
		assert.deepStrictEqual([socket.clientAddress, socket.clientPort, socket.proxyAddress, socket.proxyPort],
			['203.0.113.9', 4242, '198.51.100.1', 443]);
		await readAll(client);
		assert.strictEqual(socket.remoteAddress, '203.0.113.9', 'also after the end');
	});
});

test('without a header there is no socket.truepeer', () => {
	const server = proxy(net, { strict: false }).createServer((s) => s.end(String(s.truepeer)));

	return serving(server, async (port) => {
		assert.strictEqual(await KINDS.net.ask(port, Buffer.from('hello')), 'undefined');
	});
});

test('IPv6 clients', () => {
	const server = proxy(net).createServer((s) => s.end(`${describe(s)} ${s.remoteFamily}`));

	return serving(server, async (port) => {
		const header = Buffer.from('PROXY TCP6 2001:DB8:0:0::9 2001:db8::1 4242 443\r\n');

		assert.strictEqual(await KINDS.net.ask(port, header), '2001:db8::9:4242 IPv6');
	});
});

test('a bad header never ends the process, with and without a listener', () =>
	serving(KINDS.http.make(), async (port, server) => {
		const bad = Buffer.from('PROXY TCP4 1.2.3.999 5.6.7.8 1 2\r\n');

		assert.strictEqual(await KINDS.http.ask(port, bad), '');
		const refused = refusal(server);

		assert.strictEqual(await KINDS.http.ask(port, bad), '');
		const { error, socket } = await refused;

		assert.deepStrictEqual([error.name, error.code, error.reason], ['ProxyError', 'ERR_PROXY_HEADER', 'bad_v1']);
		assert.match(error.message, /^accept connection: 127\.0\.0\.1:\d+: an invalid header of version 1$/);
		assert.ok(socket.destroyed);
		assert.strictEqual(await KINDS.http.ask(port, v1()), ORIGIN);
	}));

test('the sockets that TLS hands out with an error have their client, too', () =>
	serving(KINDS.https.make(), async (port, server) => {
		const failed = events.once(server, 'tlsClientError');
		const client = await preceded(port, Buffer.concat([v1(), Buffer.from('this is not TLS at all\r\n\r\n')]));

		await readAll(client);
		const [, socket] = await failed;

		assert.strictEqual(socket.remoteAddress, '203.0.113.9');
	}));

test('closeAllConnections() ends those that wait for their header', () =>
	serving(KINDS.http.make({ timeout: 0 }), async (port, server) => {
		const waiting = await preceded(port, Buffer.from('PROXY '));
		const count = () => new Promise((resolve) => server.getConnections((e, n) => resolve(n)));

		assert.ok(await eventually(async () => await count() === 1));
		server.closeAllConnections();
		assert.strictEqual(await readAll(waiting), '');
		assert.ok(await eventually(async () => await count() === 0));
	}));

test('keep-alive: each request of a connection has its client', () =>
	serving(KINDS.http.make(), async (port) => {
		const client = await preceded(port, v1());
		const request = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

		client.write(request + request);
		assert.match(await askHttp(client), /203\.0\.113\.9:4242/);
	}));

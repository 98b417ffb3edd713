// SPDX-License-Identifier: BSD-2-Clause
/** @file Behind its header a connection is what it is on a plain server. */
'use strict';

const assert = require('assert');
const crypto = require('crypto');
const events = require('events');
const http = require('http');
const net = require('net');
const test = require('node:test');

const { proxy } = require('../index.js');
const { KINDS, CREDENTIALS, ORIGIN, v1, v2, preceded, readAll, overTls, serving, sleep, eventually,
	describe } = require('./support.js');

const HEADERS = [['version 1', v1()], ['version 2', v2()]];
const connections = (server) => new Promise((resolve) => server.getConnections((error, count) => resolve(count)));

/** What a listener for 'connection' finds, compared with a plain server. */
function condition(socket) {
	const { readableFlowing, readableEnded, allowHalfOpen, readableHighWaterMark, writableHighWaterMark } = socket;

	return { readableFlowing, readableEnded, allowHalfOpen, readableHighWaterMark, writableHighWaterMark,
		paused: socket.isPaused(), listeners: socket.eventNames().map(String).sort(),
		counts: socket.eventNames().map((name) => socket.listenerCount(name)) };
}

async function conditionOn(module, options, preamble) {
	let found;
	const server = module.createServer(options, (socket) => {
		found = condition(socket);
		socket.destroy();
	});

	await serving(server, async (port) => readAll(await preceded(port, preamble)));
	return found;
}

for (const options of [{}, { allowHalfOpen: true }, { highWaterMark: 1000 }, { noDelay: true, keepAlive: true }]) {
	test(`the socket is as on a plain server: ${JSON.stringify(options)}`, async () => {
		const plain = await conditionOn(net, options, 'hello');

		for (const [, header] of HEADERS)
			assert.deepStrictEqual(await conditionOn(proxy(net), options, Buffer.concat([header, Buffer.from('hello')])), plain);
		assert.deepStrictEqual(await conditionOn(proxy(net, { strict: false }), options, 'hello'), plain);
	});
}

for (const [name, header] of HEADERS) {
	for (const payload of ['', 'hello']) {
		test(`${name}: the client ends behind ${payload || 'its header'}: the server sees the end`, async () => {
			for (const allowHalfOpen of [false, true]) {
				const seen = [];
				const server = proxy(net).createServer({ allowHalfOpen }, (socket) => {
					socket.on('data', (data) => seen.push(String(data)));
					socket.on('end', () => {
						seen.push('end');
						if (allowHalfOpen)
							setTimeout(() => socket.end('late answer'), 20);
					});
				});

				await serving(server, async (port) => {
					const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });

					client.end(Buffer.concat([header, Buffer.from(payload)]));
					assert.strictEqual(await readAll(client), allowHalfOpen ? 'late answer' : '');
				});
				assert.deepStrictEqual(seen, payload ? [payload, 'end'] : ['end']);
			}
		});
	}

	test(`${name}: a listener that comes late misses nothing`, () => {
		const server = proxy(net).createServer({ allowHalfOpen: true }, async (socket) => {
			let text = '';

			await sleep(30);
			socket.on('data', (data) => (text += data)).on('end', () => socket.end(text));
		});

		return serving(server, async (port) => {
			const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });

			client.end(Buffer.concat([header, Buffer.from('hello')]));
			assert.strictEqual(await readAll(client), 'hello');
		});
	});

	test(`${name}: a listener that pauses at once stays paused`, () => {
		const server = proxy(net).createServer(async (socket) => {
			let early = true;

			socket.on('data', (data) => socket.end(`${early ? 'early' : 'resumed'} ${data}`));
			socket.pause();
			await sleep(50);
			early = false;
			socket.resume();
		});

		return serving(server, async (port) => {
			assert.strictEqual(await KINDS.net.ask(port, Buffer.concat([header, Buffer.from('hello')])), 'resumed hello');
		});
	});

	test(`${name}: pauseOnConnect`, () => {
		const server = proxy(net).createServer({ pauseOnConnect: true }, async (socket) => {
			const paused = socket.isPaused();
			let text = '';

			socket.on('data', (data) => (text += data));
			await sleep(50);
			socket.end(`${paused} "${text}"`);
		});

		return serving(server, async (port) => {
			assert.strictEqual(await KINDS.net.ask(port, Buffer.concat([header, Buffer.from('hello')])), 'true ""');
		});
	});
}

test('a server that does not read makes its client wait, and gets every byte later', async () => {
	const sent = crypto.randomBytes(8 << 20);
	let go;
	const server = proxy(net).createServer((socket) => {
		go = async () => {
			const hash = crypto.createHash('sha256');

			for await (const data of socket)
				hash.update(data);
			return hash.digest('hex');
		};
	});

	await serving(server, async (port) => {
		const client = await preceded(port, v1());
		const drained = client.end(sent) === undefined || events.once(client, 'finish').then(() => true);

		assert.ok(await eventually(() => go));
		assert.strictEqual(await Promise.race([drained, sleep(200).then(() => false)]), false);
		assert.strictEqual(await go(), crypto.createHash('sha256').update(sent).digest('hex'));
	});
});

test('an upload through https, with the header and the ClientHello in one segment', async () => {
	const sent = crypto.randomBytes(3 << 20);
	const server = proxy(require('https')).createServer(CREDENTIALS, async (request, response) => {
		const hash = crypto.createHash('sha256');

		for await (const data of request)
			hash.update(data);
		response.end(`${describe(request.socket)} ${hash.digest('hex')}`);
	});

	await serving(server, async (port) => {
		const client = await preceded(port, '');
		const write = client.write.bind(client);

		client.cork();
		write(v1());
		const secure = overTls(client);

		setImmediate(() => client.uncork());
		secure.write(`POST / HTTP/1.0\r\nHost: a\r\nContent-Length: ${sent.length}\r\n\r\n`);
		secure.write(sent);
		const text = await readAll(secure);

		assert.strictEqual(text.split('\r\n\r\n')[1],
			`${ORIGIN} ${crypto.createHash('sha256').update(sent).digest('hex')}`);
	});
});

test('upgrade, CONNECT, 100-continue', () => {
	const server = proxy(http).createServer();

	server.on('upgrade', (request, socket, head) => socket.end(`upgraded ${describe(socket)} ${head}`));
	server.on('connect', (request, socket) => socket.end(`connected ${describe(request.socket)}`));
	server.on('checkContinue', (request, response) => {
		response.writeContinue();
		response.end(`continued ${describe(request.socket)}`);
	});
	return serving(server, async (port) => {
		const ask = async (text) => readAll(await preceded(port, Buffer.concat([v1(), Buffer.from(text)])));

		assert.strictEqual(await ask('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhead'),
			`upgraded ${ORIGIN} head`);
		assert.strictEqual(await ask('CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'), `connected ${ORIGIN}`);
		assert.match(await ask('POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n' +
			'Content-Length: 0\r\n\r\n'), new RegExp(`100 Continue[^]*continued ${ORIGIN}`));
	});
});

test('clientError has the client', () => {
	const server = proxy(http).createServer();

	server.on('clientError', (error, socket) => socket.end(`${error.code} ${describe(socket)}`));
	return serving(server, async (port) => {
		const text = await readAll(await preceded(port, Buffer.concat([v1(), Buffer.from('no request\r\n\r\n')])));

		assert.match(text, new RegExp(`^HPE_\\w+ ${ORIGIN}$`));
	});
});

test('maxConnections and getConnections() count those that wait for their header', () => {
	const server = proxy(net, { timeout: 0 }).createServer((socket) => socket.end(describe(socket)));

	server.maxConnections = 2;
	return serving(server, async (port) => {
		const waiting = [await preceded(port, 'P'), await preceded(port, 'PR')];

		assert.ok(await eventually(async () => await connections(server) === 2));
		const dropped = events.once(server, 'drop');

		assert.strictEqual(await KINDS.net.ask(port, v1()), '');
		await dropped;
		for (const client of waiting)
			client.destroy();
		assert.ok(await eventually(async () => await connections(server) === 0));
		assert.strictEqual(await KINDS.net.ask(port, v1()), ORIGIN);
	});
});

test('close() lets a connection that waits for its header go on', async () => {
	const server = proxy(net).createServer((socket) => socket.end(describe(socket)));

	server.listen(0, '127.0.0.1');
	await events.once(server, 'listening');
	const client = await preceded(server.address().port, 'PROXY ');

	assert.ok(await eventually(async () => await connections(server) === 1));
	server.close();
	client.write(v1().subarray(6));
	assert.strictEqual(await readAll(client), ORIGIN);
	await events.once(server, 'close');
});

test('a client that resets in the middle of its header or request ends nothing', () =>
	serving(KINDS.http.make(), async (port) => {
		for (const bytes of ['', 'PRO', v1(), Buffer.concat([v1(), Buffer.from('GET / HTTP/1.1\r\nHo')])]) {
			const client = await preceded(port, bytes);

			await sleep(5);
			client.resetAndDestroy();
		}
		assert.strictEqual(await KINDS.http.ask(port, v1()), ORIGIN);
	}));

test('an AF_UNIX socket has no address, and gets the header\'s', async () => {
	const path = `${require('os').tmpdir()}/truepeer-test-${process.pid}.sock`;

	for (const [trust, expected] of [[undefined, ORIGIN], [['unix'], ORIGIN], [['127.0.0.0/8'], '']]) {
		const server = proxy(net, { trust }).createServer((socket) => socket.end(describe(socket)));

		await serving(server, async () => {
			const client = net.connect({ path });

			client.write(v1());
			assert.strictEqual(await readAll(client), expected);
		}, { path });
	}
});

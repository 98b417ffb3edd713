// SPDX-License-Identifier: BSD-2-Clause
/** @file What follows from each of truepeer's answers; the answers themselves: tests/apps/node_test.cpp. */
'use strict';

const assert = require('assert');
const events = require('events');
const net = require('net');
const test = require('node:test');

const { proxy } = require('../index.js');
const { kernelFor } = require('../lib/kernel.js');
const { Peer } = require('../lib/peer.js');
const { ORIGIN, v1, preceded, readAll, serving, refusal, sleep, describe } = require('./support.js');

const FORGED = v1('6.6.6.6', 6);
const origin = { family: 'IPv4', address: '203.0.113.9', port: 4242 };
const KNOWN = { answer: 'known', peer: new Peer({ source: 'kernel', version: 1, origin, proxy: null }, null, 0) };
let libraries = 0;

/** A server whose truepeer gives these answers, the last one again and again. */
function answering(answers, options = {}) {
	const library = `no such library ${++libraries}`;
	const left = [...answers];

	kernelFor({ library, pinDir: null }).ask = () => (left.length > 1 ? left.shift() : left[0]);
	return proxy(net, { library, ...options }).createServer((socket) => {
		socket.once('data', (data) => socket.end(`${describe(socket)} ${data}`));
	});
}

async function ask(port, bytes) {
	return readAll(await preceded(port, bytes));
}

for (const strict of [true, false]) {
	test(`known: nothing is read as a header, strict: ${strict}`, () =>
		serving(answering([KNOWN], { strict, trust: '10.0.0.0/8' }), async (port) => {
			assert.strictEqual(await ask(port, FORGED), `${ORIGIN} ${FORGED}`);
		}));

	for (const [answer, reason] of [['unclear', 'cannot_ask'], ['reset', 'reset']]) {
		test(`${answer}: dropped, strict: ${strict}`, () =>
			serving(answering([{ answer, detail: 'why' }], { strict }), async (port, server) => {
				const refused = refusal(server);

				assert.strictEqual(await ask(port, FORGED), '');
				assert.strictEqual((await refused).error.reason, reason);
			}));
	}
}

test('outstanding, then known: handed on when truepeer has the header', () =>
	serving(answering([{ answer: 'pending' }, { answer: 'pending' }, { answer: 'pending' }, KNOWN]), async (port) => {
		assert.strictEqual(await ask(port, FORGED), `${ORIGIN} ${FORGED}`);
	}));

test('outstanding for too long: dropped', () =>
	serving(answering([{ answer: 'pending' }], { timeout: 50 }), async (port, server) => {
		const refused = refusal(server);

		assert.strictEqual(await ask(port, FORGED), '');
		assert.strictEqual((await refused).error.reason, 'timeout');
	}));

test('outstanding, and the client resets: nothing follows', () =>
	serving(answering([{ answer: 'pending' }], { timeout: 0 }), async (port, server) => {
		const client = await preceded(port, FORGED);

		await sleep(30);
		client.resetAndDestroy();
		await events.once(client, 'close');
		await sleep(30);
		assert.strictEqual(await new Promise((resolve) => server.getConnections((e, count) => resolve(count))), 0);
	}));

test('unhandled or absent: the header is read', async () => {
	for (const answer of ['unhandled', 'absent']) {
		await serving(answering([{ answer }]), async (port) => {
			assert.strictEqual(await ask(port, Buffer.concat([v1(), Buffer.from('hello')])), `${ORIGIN} hello`);
		});
	}
});

test('kernel "only": no header is read', async () => {
	for (const [answer, reason] of [['unhandled', 'unknown_to_truepeer'], ['absent', 'cannot_ask']]) {
		await serving(answering([{ answer }], { kernel: 'only' }), async (port, server) => {
			const refused = refusal(server);

			assert.strictEqual(await ask(port, FORGED), '');
			assert.strictEqual((await refused).error.reason, reason);
		});
		await serving(answering([{ answer }], { kernel: 'only', strict: false }), async (port) => {
			assert.match(await ask(port, FORGED), /^127\.0\.0\.1:\d+ PROXY TCP4 6\.6\.6\.6/);
		});
	}
});

test('kernel "never": truepeer is not asked', () =>
	serving(answering([{ answer: 'unclear' }], { kernel: 'never' }), async (port) => {
		assert.strictEqual(await ask(port, Buffer.concat([v1(), Buffer.from('hello')])), `${ORIGIN} hello`);
	}));

test('overrideRemote: false shows the proxy where the kernel shows the client', () => {
	const proxied = { family: 'IPv4', address: '192.0.2.7', port: 7 };
	const peer = new Peer({ source: 'kernel', version: 1, origin, proxy: proxied }, null, 0);

	return serving(answering([{ answer: 'known', peer }], { overrideRemote: false }), async (port) => {
		assert.strictEqual(await ask(port, Buffer.from('hello')), '192.0.2.7:7 hello');
	});
});

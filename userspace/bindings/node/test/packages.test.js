// SPDX-License-Identifier: BSD-2-Clause
/** @file With packages from npm, where `npm ci` has put them. */
'use strict';

const assert = require('assert');
const { execFileSync, spawn } = require('child_process');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const test = require('node:test');

const { proxy } = require('../index.js');
const { KINDS, CREDENTIALS, ORIGIN, v1, v2, serving, describe, eventually, freePort } = require('./support.js');

const FOLDER = path.join(__dirname, '..');
const skip = fs.existsSync(path.join(FOLDER, 'node_modules')) ? false : 'no node_modules here: npm ci';

test('Express', { skip }, () => {
	const app = require('express')();

	app.get('/', (request, response) => {
		response.send(`${request.connection.remoteAddress}:${request.connection.remotePort} ${request.ip}`);
	});
	return serving(proxy(http).createServer(app), async (port) => {
		for (const header of [v1(), v2()])
			assert.strictEqual(await KINDS.http.ask(port, header), `${ORIGIN} 203.0.113.9`);
		assert.strictEqual(await KINDS.http.ask(port, ''), '');
	});
});

test('the example with Express', { skip }, async () => {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'truepeer-express-'));
	const port = await freePort();

	fs.symlinkSync(FOLDER, path.join(folder, 'truepeer'));
	const child = spawn(process.execPath, [path.join(FOLDER, '../../examples/express/wrapped.js')], { stdio: 'ignore',
		env: { ...process.env, PORT: port, NODE_PATH: `${folder}:${path.join(FOLDER, 'node_modules')}` } });

	try {
		const ask = () => KINDS.http.ask(port, v1()).catch(() => '');

		assert.ok(await eventually(async () => await ask() === `IP = ${ORIGIN}\n`));
	} finally {
		child.kill();
		fs.rmSync(folder, { recursive: true });
	}
});

test('spdy 4.0.2, HTTP/1.1 and HTTP/2', { skip }, () => {
	if (Number(process.versions.node.split('.')[0]) >= 24) { // it needs a part of Node that is gone
		assert.throws(() => require('spdy'), /No such module: http_parser/);
		return undefined;
	}
	const server = proxy(require('spdy').server).createServer(CREDENTIALS, (q, r) => r.end(describe(q.socket)));

	return serving(server, async (port) => {
		assert.strictEqual(await KINDS.https.ask(port, v1()), ORIGIN);
		assert.strictEqual(await KINDS.http2_secure.ask(port, v2()), ORIGIN);
	});
});

test('the type declarations', { skip }, () => {
	const tsc = path.join(FOLDER, 'node_modules/typescript/bin/tsc');
	const files = ['test/types.cts', 'test/types.mts'].map((file) => path.join(FOLDER, file));

	execFileSync(process.execPath, [tsc, '--noEmit', '--strict', '--module', 'nodenext', '--moduleResolution',
		'nodenext', '--target', 'es2022', '--types', 'node', ...files], { cwd: FOLDER, stdio: 'pipe', encoding: 'utf8' });
});

test('what npm would publish is what the module needs', { skip }, () => {
	const { files, exports: entries } = require('../package.json');
	const named = Object.values(entries['.']).flatMap((entry) => Object.values(entry));

	for (const file of [...files, ...named])
		assert.ok(fs.existsSync(path.join(FOLDER, file)), file);
});

// SPDX-License-Identifier: BSD-2-Clause
/** @file With packages from npm, where `npm ci` has put them. */
'use strict';

const assert = require('assert');
const { execFileSync } = require('child_process');
const fs = require('fs');
const http = require('http');
const path = require('path');
const test = require('node:test');

const { proxy } = require('../index.js');
const { KINDS, ORIGIN, v1, v2, serving } = require('./support.js');

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

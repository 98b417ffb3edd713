// SPDX-License-Identifier: BSD-2-Clause
/*
 * Checks manifests (YAML files, or standard input) against the schema of the Kubernetes API, and
 * that they have no name that the schema does not know.
 */
import fs from 'node:fs';
import { parseAllDocuments } from 'yaml';

const groups = { 'apps/v1': 'AppsV1', v1: 'CoreV1' };

/* The validator reads each name that it knows; what it never reads is in `unread` afterwards. */
function watched(value, path, unread) {
	if (value === null || typeof value !== 'object')
		return value;
	const inside = Array.isArray(value) ? [] : {};

	for (const [name, one] of Object.entries(value)) {
		unread.add(`${path}.${name}`);
		inside[name] = watched(one, `${path}.${name}`, unread);
	}
	return new Proxy(inside, {
		get(target, name) {
			unread.delete(`${path}.${String(name)}`);
			return target[name];
		},
	});
}

async function check(object) {
	const schema = `IoK8sApi${groups[object.apiVersion]}${object.kind}`;
	const { validate } = await import(`kubernetes-models/_schemas/${schema}`);
	const unread = new Set();

	if (!validate(watched(object, '', unread)))
		throw new Error(validate.errors.map((e) => `${e.instancePath}: ${JSON.stringify(e.params)}`).join('; '));
	if (unread.size)
		throw new Error(`unknown: ${[...unread].join(', ')}`);
}

async function checkFile(name, text) {
	let failed = 0;

	for (const document of parseAllDocuments(text)) {
		const object = document.toJS();

		try {
			if (document.errors.length)
				throw document.errors[0];
			await check(object);
		} catch (error) {
			console.error(`${name}: ${object && object.kind}: ${error.message}`);
			failed++;
		}
	}
	return failed;
}

let failed = 0;
for (const file of process.argv.length > 2 ? process.argv.slice(2) : [0])
	failed += await checkFile(file || 'standard input', fs.readFileSync(file, 'utf8'));
process.exit(failed ? 1 : 0);

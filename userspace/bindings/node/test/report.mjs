// SPDX-License-Identifier: BSD-2-Clause
/** @file A reporter for node --test: a line of JSON for each test, for tools/node_tests.py. */

/** The file itself is a test to some versions of Node. */
function isFile(data) {
	return data.name.endsWith('.test.js');
}

function describe(error) {
	const cause = error?.cause ?? error;

	return cause?.stack ?? String(cause);
}

export default async function* report(source) {
	for await (const { type, data } of source) {
		if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite')
			continue;
		if (isFile(data) && type === 'test:pass')
			continue;
		const result = { name: data.name, status: type === 'test:pass' ? 'passed' : 'failed' };

		if (data.skip !== undefined)
			Object.assign(result, { status: 'skipped', detail: String(data.skip) });
		else if (type === 'test:fail')
			result.detail = describe(data.details?.error);
		yield `${JSON.stringify(result)}\n`;
	}
}

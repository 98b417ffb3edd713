// SPDX-License-Identifier: BSD-2-Clause
/** @file The options of proxy(), with their defaults and checks. */
'use strict';

const { Networks } = require('./networks.js');
const { V2_FIXED } = require('./parser.js');

const LONGEST = V2_FIXED + 65535;
const KERNEL = ['auto', 'only', 'never'];
const DEFAULTS = {
	strict: true,
	ignoreStrictExceptions: false,
	overrideRemote: true,
	trust: null,
	timeout: 5000,
	versions: [1, 2],
	maxHeader: 4096,
	kernel: 'auto',
	pinDir: null,
	library: 'libtruepeer.so.0',
};

function refuse(name, value, what) {
	throw new TypeError(`proxy: ${name}: ${String(value)}: must be ${what}`);
}

function checkInteger(options, name, least, most) {
	const value = options[name];

	if (!Number.isInteger(value) || value < least || value > most)
		refuse(name, value, `an integer from ${least} to ${most}`);
}

function checkVersions(versions) {
	const list = Array.isArray(versions) ? versions : [versions];

	if (list.length === 0 || !list.every((version) => version === 1 || version === 2))
		refuse('versions', versions, '1, 2 or [1, 2]');
	return list;
}

/** An unknown name is an error, so that the typing error `truts` does not make everybody trusted. */
function checkNames(given) {
	for (const name of Object.keys(given))
		if (!Object.hasOwn(DEFAULTS, name))
			throw new TypeError(`proxy: unknown option: ${name} (there are ${Object.keys(DEFAULTS).join(', ')})`);
}

/** @param {object} [given] @returns {object} all options, checked; trust is null or has a method has() */
function readOptions(given = {}) {
	checkNames(given);
	const options = { ...DEFAULTS };

	for (const [name, value] of Object.entries(given))
		if (value !== undefined)
			options[name] = value;
	for (const name of ['strict', 'ignoreStrictExceptions', 'overrideRemote'])
		options[name] = Boolean(options[name]);
	checkInteger(options, 'timeout', 0, 0x7fffffff);
	checkInteger(options, 'maxHeader', V2_FIXED, LONGEST);
	if (!KERNEL.includes(options.kernel))
		refuse('kernel', options.kernel, KERNEL.join(', '));
	options.versions = checkVersions(options.versions);
	options.trust = options.trust === null ? null : new Networks(options.trust);
	return Object.freeze(options);
}

module.exports = { readOptions };

// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file Version 1 of the PROXY protocol, a line of text. It is read a byte at a time, and reading
 * stops at the first byte that no header can have.
 */
'use strict';

const { ipv4Text, ipv6GroupsText } = require('./address.js');

const MAX_V1 = 107;
const CR = 13;
const LF = 10;
const SPACE = 32;
const DOT = 46;
const COLON = 58;
const [PROTOCOL, SOURCE, DESTINATION, SOURCE_PORT, DESTINATION_PORT, IGNORED] = [0, 1, 2, 3, 4, 5];
const NAMES = ['TCP4', 'TCP6', 'UNKNOWN'];

function hexDigit(c) {
	if (c >= 48 && c <= 57)
		return c - 48;
	const lower = c | 0x20;

	return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** A decimal number without superfluous zeros. */
class Decimal {
	constructor(limit) {
		this.limit = limit;
		this.value = 0;
		this.digits = 0;
	}

	add(c) {
		if (c < 48 || c > 57 || (this.digits > 0 && this.value === 0))
			return false;
		this.value = this.value * 10 + (c - 48);
		this.digits++;
		return this.value <= this.limit;
	}

	complete() {
		return this.digits > 0;
	}
}

class Ipv4 {
	constructor() {
		this.octets = [];
		this.octet = new Decimal(255);
	}

	add(c) {
		if (c !== DOT)
			return this.octet.add(c);
		return this.octets.length < 3 && this.close();
	}

	close() {
		if (!this.octet.complete())
			return false;
		this.octets.push(this.octet.value);
		this.octet = new Decimal(255);
		return true;
	}

	complete() {
		return this.close() && this.octets.length === 4;
	}

	endpoint() {
		return { family: 'IPv4', address: ipv4Text(this.octets, 0), port: 0 };
	}
}

class Ipv6 {
	constructor() {
		this.groups = [];
		this.gap = -1; // the number of groups before "::"
		this.digits = ''; // the digits of the group that is being read
		this.lone = false; // whether the byte before was a colon after a group
		this.leading = false; // whether the byte before was a colon and the first byte of all
		this.tail = null; // the IPv4 address at the end, with dots
	}

	add(c) {
		if (this.tail)
			return this.tail.add(c);
		if (c === DOT)
			return this.beginTail();
		if (c === COLON)
			return this.colon();
		if (hexDigit(c) < 0 || this.digits.length >= 4 || this.leading)
			return false;
		this.digits += String.fromCharCode(c);
		this.lone = false;
		return true;
	}

	colon() {
		if (this.digits !== '') {
			this.lone = true;
			return this.close();
		}
		if (!this.lone && !this.leading) { // a leading colon must be the first of two
			this.leading = true;
			return this.groups.length === 0 && this.gap < 0;
		}
		if (this.gap >= 0)
			return false;
		this.gap = this.groups.length;
		this.lone = this.leading = false;
		return true;
	}

	close() {
		if (this.groups.length >= 8)
			return false;
		this.groups.push(parseInt(this.digits, 16));
		this.digits = '';
		return true;
	}

	/** Called at a dot, which means that the group's digits are an octet. */
	beginTail() {
		this.tail = new Ipv4();
		for (let i = 0; i < this.digits.length; i++)
			if (!this.tail.add(this.digits.charCodeAt(i)))
				return false;
		return this.tail.add(DOT);
	}

	complete() {
		const { tail, groups } = this;

		if (tail) {
			if (!tail.complete() || groups.length > 6)
				return false;
			groups.push(tail.octets[0] << 8 | tail.octets[1], tail.octets[2] << 8 | tail.octets[3]);
		} else if (this.digits !== '') {
			if (!this.close())
				return false;
		} else if (this.lone || this.leading || this.gap !== groups.length) {
			return false; // the address ends in a single colon, or is empty
		}
		return groups.length <= 8 && (this.gap < 0) === (groups.length === 8);
	}

	endpoint() {
		const before = this.gap < 0 ? 8 : this.gap;
		const zeros = new Array(8 - this.groups.length).fill(0);
		const groups = [...this.groups.slice(0, before), ...zeros, ...this.groups.slice(before)];

		return { family: 'IPv6', address: ipv6GroupsText(groups), port: 0 };
	}
}

class Line {
	constructor() {
		this.field = PROTOCOL;
		this.name = '';
		this.value = null; // the value of the field that is being read
		this.real = false;
		this.origin = null;
		this.destination = null;
	}

	/** @returns {boolean} false: no header can begin like this */
	add(c) {
		if (c === LF)
			return false;
		if (c === CR)
			return this.finish(true);
		if (this.field === IGNORED)
			return true;
		if (c === SPACE)
			return this.finish(false);
		if (this.field !== PROTOCOL)
			return this.value.add(c);
		this.name += String.fromCharCode(c);
		return this.mayBeName();
	}

	/** Like the kernel's parser, rejects a name longer than UNKNOWN at once, and others at their end. */
	mayBeName() {
		const { name } = this;

		return name.charCodeAt(name.length - 1) !== 0 &&
			(name.length < 7 || (name.length === 7 && name <= 'UNKNOWN'));
	}

	/** Called at the end of a field, which is a space or, with `last`, the line's CR. */
	finish(last) {
		if (this.field === PROTOCOL)
			return this.finishName(last);
		if (this.field === IGNORED)
			return true;
		if (last !== (this.field === DESTINATION_PORT) || !this.value.complete())
			return false;
		if (this.field === SOURCE)
			this.origin = this.value.endpoint();
		else if (this.field === DESTINATION)
			this.destination = this.value.endpoint();
		else if (this.field === SOURCE_PORT)
			this.origin.port = this.value.value;
		else
			this.destination.port = this.value.value;
		if (!last)
			this.begin(this.field + 1);
		return true;
	}

	finishName(last) {
		if (this.name === 'UNKNOWN') {
			this.real = true;
			this.field = IGNORED;
			return true;
		}
		if (last || !NAMES.includes(this.name))
			return false;
		this.begin(SOURCE);
		return true;
	}

	begin(field) {
		this.field = field;
		if (field >= SOURCE_PORT)
			this.value = new Decimal(65535);
		else
			this.value = this.name === 'TCP6' ? new Ipv6() : new Ipv4();
	}
}

/**
 * @param {Buffer} bytes that begin with "PROXY "
 * @returns {{verdict: string, bytes: number, origin?: object, destination?: object}}
 */
function parseV1(bytes) {
	const available = Math.min(bytes.length, MAX_V1);
	const line = new Line();

	for (let i = 6; i < available; i++) {
		if (bytes[i - 1] === CR) {
			if (bytes[i] !== LF)
				return { verdict: 'reject', bytes: 0 };
			if (line.real)
				return { verdict: 'accept-real', bytes: i + 1 };
			return { verdict: 'accept', bytes: i + 1, origin: line.origin, destination: line.destination };
		}
		if (!line.add(bytes[i]))
			return { verdict: 'reject', bytes: 0 };
	}
	return { verdict: available === MAX_V1 ? 'reject' : 'wait', bytes: 0 };
}

module.exports = { parseV1, MAX_V1 };

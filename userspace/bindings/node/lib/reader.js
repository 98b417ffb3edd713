// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file Reads the header at the start of a connection and puts back what lies behind it.
 *
 * Only public streams' API is used: paused mode, read(), unshift(). What follows from that:
 *
 * - read(n) is never asked for more than what is there or than the high-water mark, which would
 *   raise that mark, and never without n, which would emit 'end' where nothing is left.
 *   So a client that has ended behind its header looks to the server as it does without this module.
 * - The socket is handed on a tick after the listener for 'readable' is gone, when the stream
 *   has settled: it is neither flowing nor paused, and the first listener for 'data' starts it.
 * - TLS and HTTP/2, which read from the handle themselves, first take what is in the socket's buffer.
 */
'use strict';

const { parse } = require('./parser.js');

const FIRST = 1; // bytes that are enough to judge something

function ignoreError() {
	// 'close' follows
}

class HeaderReader {
	/**
	 * @param {import('stream').Duplex} socket
	 * @param {object} options
	 * @param {(reason: string, header: object | null, bytes: Buffer | null) => void} done called once, when
	 *   the socket has its state from before and everything behind the header. `reason` is '' where
	 *   there is a header (with its `bytes`) or, where that is optional, none (null, null).
	 */
	constructor(socket, options, done) {
		this.socket = socket;
		this.options = options;
		this.done = done;
		this.pieces = [];
		this.length = 0;
		this.needed = FIRST;
		this.timer = null;
		this.onReadable = () => this.read();
		this.onClose = () => this.finish(this.length ? 'truncated' : 'empty', null, null);
	}

	start() {
		const { socket, options } = this;

		socket.on('error', ignoreError);
		socket.on('close', this.onClose);
		socket.on('readable', this.onReadable);
		if (options.timeout > 0)
			this.timer = setTimeout(() => this.late(), options.timeout);
	}

	/** Ends it without a result; the socket is about to be destroyed. */
	stop() {
		clearTimeout(this.timer);
		this.socket.removeListener('readable', this.onReadable);
		this.socket.removeListener('close', this.onClose);
	}

	read() {
		const { socket } = this;
		const most = socket.readableHighWaterMark || 1;

		// 'readable' with nothing to read announces the end, which comes when it is read
		if (socket.readableLength === 0)
			return this.ended();
		while (socket.readableLength > 0) {
			const piece = socket.read(Math.min(socket.readableLength, most));

			if (piece === null)
				return undefined;
			this.pieces.push(piece);
			this.length += piece.length;
			if (this.length >= this.needed && this.judge())
				return undefined;
		}
		return undefined;
	}

	/** @returns {boolean} whether it is decided */
	judge() {
		const { options } = this;
		const bytes = this.pieces.length === 1 ? this.pieces[0] : Buffer.concat(this.pieces, this.length);
		const header = parse(bytes);

		this.pieces = [bytes];
		if (header.bytes > options.maxHeader)
			return this.finish('too_long', null, null);
		if (header.verdict === 'wait') {
			this.needed = Math.max(header.bytes, bytes.length + 1);
			return false;
		}
		if (header.verdict === 'no-header' && !options.strict) {
			this.socket.unshift(bytes);
			return this.finish('', null, null);
		}
		if (header.reason)
			return this.finish(header.reason, null, null);
		if (!options.versions.includes(header.version))
			return this.finish('version', null, null);
		if (bytes.length > header.bytes)
			this.socket.unshift(bytes.subarray(header.bytes));
		return this.finish('', header, bytes);
	}

	/** The client has sent all that it will send, and there is no header yet. */
	ended() {
		if (this.length > 0)
			return this.finish('truncated', null, null);
		return this.finish(this.options.strict ? 'empty' : '', null, null);
	}

	/** Where a header is optional, a client that says nothing may wait for the server to speak. */
	late() {
		this.finish(this.length > 0 || this.options.strict ? 'timeout' : '', null, null);
	}

	finish(reason, header, bytes) {
		const { socket, done } = this;

		this.stop();
		if (reason) {
			done(reason, null, null); // 'error' may still come, and is nobody's
		} else {
			process.nextTick(() => {
				socket.removeListener('error', ignoreError);
				done('', header, bytes);
			});
		}
		return true;
	}
}

module.exports = { HeaderReader };

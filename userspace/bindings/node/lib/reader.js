// SPDX-License-Identifier: BSD-2-Clause
/**
 * @file Reads the header at the start of a connection and puts back the bytes after it.
 *
 * It uses only the public API of streams: paused mode, read() and unshift(). Therefore:
 *
 * - read(n) is never called for more bytes than are buffered, and never for more than the high-water
 *   mark, because that would raise the mark. It is never called without n, because that would emit
 *   'end' if nothing is left. A client that ends right after its header therefore looks to the server
 *   as it does without this module.
 * - The socket is handed on one tick after the listener for 'readable' was removed. By then the stream
 *   is neither flowing nor paused, and the first listener for 'data' starts it.
 * - TLS and HTTP/2 read from the handle themselves, after they have taken what is in the socket's buffer.
 */
'use strict';

const { parse } = require('./parser.js');

const FIRST = 1; // the number of bytes with which judging begins

function ignoreError() {
	// 'close' follows
}

class HeaderReader {
	/**
	 * @param {import('stream').Duplex} socket
	 * @param {object} options
	 * @param {(reason: string, header: object | null, bytes: Buffer | null) => void} done called once. With
	 *   the reason '', the socket has its earlier state and all bytes after the header; `header` and
	 *   `bytes` are null if the header is optional and there is none. Otherwise `reason` says why the
	 *   connection is rejected.
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

	/** Ends the reading without a result; the caller destroys the socket. */
	stop() {
		clearTimeout(this.timer);
		this.socket.removeListener('readable', this.onReadable);
		this.socket.removeListener('close', this.onClose);
	}

	read() {
		const { socket } = this;
		const most = socket.readableHighWaterMark || 1;

		// 'readable' with nothing to read announces 'end', which comes only after a read()
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

	/** @returns {boolean} whether the connection has been judged; false if more bytes are needed */
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

	/** Called when the client has ended its side before the header was complete. */
	ended() {
		if (this.length > 0)
			return this.finish('truncated', null, null);
		return this.finish(this.options.strict ? 'empty' : '', null, null);
	}

	/** Called after the time limit. If the header is optional, a silent client may wait for the server to speak. */
	late() {
		this.finish(this.length > 0 || this.options.strict ? 'timeout' : '', null, null);
	}

	finish(reason, header, bytes) {
		const { socket, done } = this;

		this.stop();
		if (reason) {
			done(reason, null, null); // ignoreError stays, because 'error' may still come
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

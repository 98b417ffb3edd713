// SPDX-License-Identifier: BSD-2-Clause
/** @file Decides about each connection of a server before the server sees it. */
'use strict';

const { HeaderReader } = require('./reader.js');
const { kernelFor } = require('./kernel.js');
const { ProxyError } = require('./error.js');
const { peerOfHeader, show, judgementOf } = require('./peer.js');

const PENDING_MS = 10;
let warned = false;

function warnUnclear(detail) {
	if (warned)
		return;
	warned = true;
	process.emitWarning('connections are rejected: truepeer cannot be asked whether it has removed their ' +
		`header: ${detail} (add this process to the group of \`truepeer run --group\`, or, if ` +
		'truepeer does not serve this port, set the option kernel to "never")', 'TruepeerWarning');
}

class Receiver {
	/** @param {import('net').Server} server @param {object} options @param {Function} emit the server's own */
	constructor(server, options, emit) {
		this.server = server;
		this.options = options;
		this.emit = emit;
		this.kernel = options.kernel === 'never' ? null : kernelFor(options);
		this.waiting = new Map(); // socket -> the function that ends the wait for its header
	}

	/** Receives an accepted connection. If another wrapped server has handed it on, it has been judged already. */
	receive(socket) {
		if (judgementOf(socket) !== undefined)
			return this.emit('connection', socket);
		if (!this.kernel)
			this.readHeader(socket);
		else
			this.askKernel(socket, Date.now());
		return true;
	}

	askKernel(socket, since) {
		const { answer, peer, detail } = this.kernel.ask(socket);
		const only = this.options.kernel === 'only';

		if (answer === 'known') {
			this.accept(socket, peer);
		} else if (answer === 'pending') {
			this.waitForKernel(socket, since);
		} else if (answer === 'reset') {
			this.refuse(socket, 'reset');
		} else if (answer === 'unclear') {
			warnUnclear(detail);
			this.refuse(socket, 'cannot_ask', detail);
		} else if (!only) {
			this.readHeader(socket);
		} else if (this.options.strict) {
			this.refuse(socket, answer === 'absent' ? 'cannot_ask' : 'unknown_to_truepeer');
		} else {
			this.accept(socket, null);
		}
	}

	/** Waits until truepeer has removed the header, which has not arrived yet. */
	waitForKernel(socket, since) {
		const { timeout } = this.options;

		if (timeout > 0 && Date.now() - since >= timeout) {
			this.refuse(socket, 'timeout');
			return;
		}
		const stop = () => {
			clearTimeout(timer);
			this.waiting.delete(socket);
			socket.removeListener('close', stop);
		};
		const timer = setTimeout(() => {
			stop();
			socket.removeListener('error', stop);
			this.askKernel(socket, since);
		}, PENDING_MS);

		socket.on('error', stop);
		socket.on('close', stop);
		this.waiting.set(socket, stop);
	}

	readHeader(socket) {
		const { options } = this;

		if (options.trust && !options.trust.has(socket.remoteAddress)) {
			if (options.strict)
				this.refuse(socket, 'untrusted');
			else
				this.accept(socket, null);
			return;
		}
		const reader = new HeaderReader(socket, options, (reason, header, bytes) => {
			this.waiting.delete(socket);
			if (reason) {
				this.refuse(socket, reason);
				return;
			}
			if (socket.destroyed) // for example by closeAllConnections(), since the header was read
				return;
			if (this.server.pauseOnConnect)
				socket.pause(); // because reading the header has started it
			this.accept(socket, header && peerOfHeader(socket, header, bytes));
		});

		this.waiting.set(socket, () => reader.stop());
		reader.start();
	}

	accept(socket, peer) {
		show(socket, peer, this.options);
		this.emit('connection', socket);
	}

	refuse(socket, reason, detail) {
		const error = new ProxyError(reason, socket, detail);

		socket.on('error', () => {}); // without a listener, an error would end the process
		socket.destroy();
		if (!this.options.ignoreStrictExceptions)
			this.emit('proxyError', error, socket);
	}

	/** Closes the waiting connections, which server.closeAllConnections() does not know. */
	closeWaiting() {
		for (const [socket, stop] of this.waiting) {
			stop();
			socket.destroy();
		}
		this.waiting.clear();
	}
}

/** Gives a TLS socket the properties of the connection that it is for. */
function showOnTls(socket, options) {
	if (!socket || judgementOf(socket) !== undefined)
		return;
	const { _parent: parent } = socket; // the connection's socket, or a wrapper of it

	for (const inner of [parent, parent?.stream]) {
		const peer = inner && judgementOf(inner);

		if (peer !== undefined)
			show(socket, peer, options);
	}
}

module.exports = { Receiver, showOnTls };

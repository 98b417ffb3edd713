// SPDX-License-Identifier: BSD-2-Clause
/** @file Puts a receiver before servers, and makes the patched copy of a module. */
'use strict';

const net = require('net');

const { readOptions } = require('./options.js');
const { Receiver, showOnTls } = require('./receiver.js');

const FACTORIES = ['createServer', 'createSecureServer', 'create'];
/** The events of a TLS server that hand out TLS sockets, and the index of that argument. */
const TLS_EVENTS = new Map([['secureConnection', 0], ['tlsClientError', 1], ['keylog', 1]]);
const attached = new WeakSet();

function hide(object, name, value) {
	Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });
}

/** Makes closeAllConnections() of HTTP servers also end connections that wait for their header. */
function extendClosing(server, receiver) {
	if (typeof server.closeAllConnections !== 'function')
		return;
	hide(server, 'closeAllConnections', function closeAllConnections() {
		receiver.closeWaiting();
		return Object.getPrototypeOf(this).closeAllConnections.call(this);
	});
}

function attachRead(server, options) {
	if (attached.has(server))
		return server;
	attached.add(server);
	// look emit() up each time, because a derived class or a tracer may replace it
	const emit = (...args) => Reflect.apply(Object.getPrototypeOf(server).emit, server, args);
	const receiver = new Receiver(server, options, emit);

	hide(server, 'emit', function intercept(event, ...args) {
		if (event === 'connection')
			return receiver.receive(args[0]);
		if (TLS_EVENTS.has(event))
			showOnTls(args[TLS_EVENTS.get(event)], options);
		return emit(event, ...args);
	});
	extendClosing(server, receiver);
	return server;
}

/**
 * Makes a server read headers. Its 'connection' event, and all events that follow from it, are emitted
 * after the header was read.
 * @template {import('net').Server} S
 * @param {S} server a server that has no connection yet
 * @param {object} [options]
 * @returns {S}
 */
function attach(server, options) {
	if (!server || typeof server.emit !== 'function')
		throw new TypeError('attach: server: not an event emitter');
	return attachRead(server, readOptions(options));
}

/** A constructor for servers of the class `Original` that read headers; classes may inherit from it. */
function wrapConstructor(Original, options) {
	function Server(...args) {
		if (new.target)
			return attachRead(Reflect.construct(Original, args, new.target), options);
		if (this instanceof Server) { // Server.call(this) in a derived class without `class`
			Reflect.apply(Original, this, args);
			return attachRead(this, options);
		}
		return new Server(...args);
	}
	Object.setPrototypeOf(Server, Original);
	Server.prototype = Object.create(Original.prototype, {
		constructor: { value: Server, writable: true, configurable: true },
	});
	return Server;
}

function wrapFactory(module, name, options) {
	return function createServer(...args) {
		return attachRead(Reflect.apply(module[name], module, args), options);
	};
}

function replace(patched, name, value) {
	Object.defineProperty(patched, name, { value, writable: true, configurable: true, enumerable: true });
}

/** A copy that keeps the original's getters, such as http.globalAgent. */
function copy(module) {
	const descriptors = Object.getOwnPropertyDescriptors(module);

	for (const descriptor of Object.values(descriptors)) {
		descriptor.configurable = true;
		if ('value' in descriptor)
			descriptor.writable = true;
	}
	return Object.create(Object.getPrototypeOf(module), descriptors);
}

/** `import * as http` gives a namespace, whose `default` is what require() gives. */
function withoutNamespace(module) {
	return module?.[Symbol.toStringTag] === 'Module' && module.default ? module.default : module;
}

/**
 * Returns a copy of the module whose servers read PROXY headers.
 * @template {object} M
 * @param {M} given net, http, https, tls, http2, or anything else with createServer() or Server
 * @param {object} [options]
 * @returns {M}
 */
function proxy(given, options) {
	const module = withoutNamespace(given);
	const read = readOptions(options);

	if (typeof module === 'function' && module.prototype instanceof net.Server)
		return wrapConstructor(module, read);
	if (!module || (typeof module.Server !== 'function' && typeof module.createServer !== 'function'))
		throw new TypeError('proxy: module: has neither Server nor createServer()');
	const patched = copy(module);

	if (typeof module.Server === 'function')
		replace(patched, 'Server', wrapConstructor(module.Server, read));
	for (const name of FACTORIES)
		if (typeof module[name] === 'function')
			replace(patched, name, wrapFactory(module, name, read));
	if (typeof patched.createServer !== 'function')
		patched.createServer = (...args) => new patched.Server(...args);
	return patched;
}

module.exports = { proxy, attach };

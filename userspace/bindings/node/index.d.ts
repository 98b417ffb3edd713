// SPDX-License-Identifier: BSD-2-Clause
/// <reference types="node" />
import type { Server } from 'net';
import type { Duplex } from 'stream';

/** The names of the kernel's outcomes (docs/PROTOCOL.md), and a few that only this module has. */
export type Reason =
	| 'no_header' | 'bad_v1' | 'bad_v2' | 'bad_command' | 'bad_family' | 'bad_length' | 'bad_tlv' | 'bad_crc'
	| 'too_long' | 'truncated' | 'timeout' | 'empty' | 'untrusted' | 'version'
	| 'reset' | 'unknown_to_truepeer' | 'cannot_ask';

export interface Options {
	/** true (the default): a connection without a header is dropped; false: the header is optional. */
	strict?: boolean;
	/** Networks in CIDR, addresses, and "unix"; everybody by default. Whoever may send a header may claim any address. */
	trust?: string | readonly string[];
	/** Milliseconds from the connection to the end of its header; 5000 by default, 0: no limit. */
	timeout?: number;
	/** The header versions that are allowed; both by default. */
	versions?: 1 | 2 | ReadonlyArray<1 | 2>;
	/** The longest header, in bytes; 4096 by default. */
	maxHeader?: number;
	/** false: remoteAddress stays the proxy's; clientAddress has the client's. true by default. */
	overrideRemote?: boolean;
	/** true: 'proxyError' is not emitted. false by default. */
	ignoreStrictExceptions?: boolean;
	/**
	 * auto (the default): ask truepeer, and read the headers of connections that it has not handled;
	 * only: never read a header; never: do not ask.
	 */
	kernel?: 'auto' | 'only' | 'never';
	/** Where truepeer has its pins; /sys/fs/bpf/truepeer by default. */
	pinDir?: string;
	/** Name or path of the library; libtruepeer.so.0 by default. */
	library?: string;
}

export type Endpoint =
	| { family: 'IPv4' | 'IPv6'; address: string; port: number }
	| { family: 'unix'; path: string };

export interface Tlv {
	type: number;
	/** Of the specification, such as AUTHORITY; '' where the type has none. */
	name: string;
	value: Buffer;
	/** Of SSL: the client's flags, 0 where its certificate was verified, and the TLVs inside. */
	client?: number;
	verify?: number;
	tlvs?: Tlv[];
}

/** A connection's peer, as its header names it. */
export interface Peer {
	/** Who has read the header: truepeer in the kernel, or this module. */
	readonly source: 'kernel' | 'header';
	readonly version: 1 | 2;
	readonly command: 'PROXY' | 'LOCAL';
	readonly transport: 'unspec' | 'stream' | 'dgram';
	readonly headerBytes: number;
	/** The client; the proxy itself where the header names nobody. null: an AF_UNIX socket's proxy. */
	readonly origin: Endpoint | null;
	/** What the client has connected to. */
	readonly destination: Endpoint | null;
	/** The TCP peer. */
	readonly proxy: Endpoint | null;
	/** Of truepeer, with source "kernel". */
	readonly engine?: string;
	readonly tlvs: readonly Tlv[];
}

export interface Header {
	/** accept-real: valid, and the connection's real endpoints stand. */
	verdict: 'accept' | 'accept-real' | 'wait' | 'reject' | 'no-header';
	reason: Reason | '';
	/** The header's length; 0 where it is not known. */
	bytes: number;
	version: 0 | 1 | 2;
	command: 'PROXY' | 'LOCAL';
	transport: 'unspec' | 'stream' | 'dgram';
	origin: Endpoint | null;
	destination: Endpoint | null;
	/** Where the TLVs begin; 0: there are none. */
	tlvs: number;
}

/** Why a connection was refused: the argument of 'proxyError'. */
export class ProxyError extends Error {
	private constructor();
	readonly code: 'ERR_PROXY_HEADER';
	readonly reason: Reason;
}

/** A copy of net, http, https, tls, http2, or of another module with servers, whose servers read PROXY headers. */
export function proxy<M extends object>(module: M, options?: Options): M;

/** Makes one server read PROXY headers, and returns it. */
export function attach<S extends Server>(server: S, options?: Options): S;

/** Judges the first bytes of a connection. Never throws. */
export function parse(bytes: Buffer): Header;

declare module 'net' {
	interface Socket {
		/** undefined: the connection has no header. */
		readonly truepeer?: Peer;
		/** The names of findhit-proxywrap: the header's source, and its destination. */
		readonly clientAddress?: string;
		readonly clientPort?: number;
		readonly proxyAddress?: string;
		readonly proxyPort?: number;
	}
	interface Server {
		on(event: 'proxyError', listener: (error: ProxyError, socket: Duplex) => void): this;
		once(event: 'proxyError', listener: (error: ProxyError, socket: Duplex) => void): this;
	}
}

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
	/** true (the default): remoteAddress is the client's; false: it stays the proxy's, and clientAddress is the client's. */
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
	/** The specification's name, such as AUTHORITY; '' if the type has none. */
	name: string;
	value: Buffer;
	/** Only of SSL: the client's flags; 0 if its certificate was verified; and the TLVs inside. */
	client?: number;
	verify?: number;
	tlvs?: Tlv[];
}

/** A connection's peer, as its header names it. */
export interface Peer {
	/** Who read the header: truepeer in the kernel, or this module. */
	readonly source: 'kernel' | 'header';
	readonly version: 1 | 2;
	readonly command: 'PROXY' | 'LOCAL';
	readonly transport: 'unspec' | 'stream' | 'dgram';
	readonly headerBytes: number;
	/** The client, or the proxy if the header names nobody; null if that proxy is on an AF_UNIX socket. */
	readonly origin: Endpoint | null;
	/** The address that the client connected to. */
	readonly destination: Endpoint | null;
	/** The TCP peer. */
	readonly proxy: Endpoint | null;
	/** The name of truepeer's engine, only if source is "kernel". */
	readonly engine?: string;
	readonly tlvs: readonly Tlv[];
}

export interface Header {
	/** accept-real: the header is valid, and the connection keeps its real endpoints. */
	verdict: 'accept' | 'accept-real' | 'wait' | 'reject' | 'no-header';
	reason: Reason | '';
	/** The header's length; 0 if it is not known. */
	bytes: number;
	version: 0 | 1 | 2;
	command: 'PROXY' | 'LOCAL';
	transport: 'unspec' | 'stream' | 'dgram';
	origin: Endpoint | null;
	destination: Endpoint | null;
	/** Where the TLVs begin; 0 if there are none. */
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

/** Judges the first bytes of a connection; it never throws. */
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

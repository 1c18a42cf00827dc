// Entry `durable-sessions/streams`: any stream of any server that speaks the Durable Streams protocol. Needs no wasm.
import { clientSettings } from '../settings.js';
import { openHandle } from './handle.js';
import { openReader } from './reader.js';
import type { ReadOptions, StreamAccess, StreamHandle, StreamReader } from './types.js';

/** Reads a stream. Asks for nothing before one of the reader's ways is used. */
export function stream<T = unknown>(options: StreamAccess & ReadOptions): StreamReader<T> {
  return openReader(clientSettings(options), options.url, options);
}

/** A stream to create, write, look at, read and end. `contentType`: what it holds; asked of the server when it matters. */
export function durableStream(options: StreamAccess & { contentType?: string }): StreamHandle {
  return openHandle(clientSettings(options), options.url, options.contentType ?? null);
}

export { DurableStreamsError } from '../errors.js';
export type * from './types.js';

// The public vocabulary of plain streams. Must not know sessions.
import type { Clock, FetchLike, ReconnectConfig, TokenSource } from '../types.js';

export interface StreamAccess {
  /** The stream's own URL, query included. */
  url: string;
  token?: TokenSource;
  /** Sent with every request. */
  headers?: Record<string, string>;
  fetch?: FetchLike;
  /** Of reading, of producers, and of requests that may be repeated. */
  reconnect?: Partial<ReconnectConfig>;
  /** Silence for this long counts as a failed request; 0: never. Default 45000; long-polls have three times as long. */
  silenceMs?: number;
  clock?: Clock;
}

/** `false`: what is there now. 'sse' and 'long-poll': go on with what comes. `true`: SSE, and long-poll where that is refused. */
export type Live = boolean | 'sse' | 'long-poll';

export interface ReadOptions {
  /** Begin after this offset. Default '-1', the beginning; 'now': only what comes. */
  offset?: string;
  /** Default false. */
  live?: Live;
  /** Ends reading; what waits rejects with its reason. */
  signal?: AbortSignal;
  /** Largest SSE event in characters. Default 16 MiB; a larger one ends reading with FRAME_TOO_LARGE. */
  frameCharsMax?: number;
}

/** What arrived in one go. */
export interface Batch<C> {
  /** JSON: the messages. Otherwise a text or bytes. May be empty. */
  readonly content: C;
  /** Reading from here goes on after this batch. */
  readonly offset: string;
  /** Nothing newer was stored. */
  readonly upToDate: boolean;
  /** The stream has ended: this is the last batch. */
  readonly closed: boolean;
}

/**
 * Reads one stream, once: by one of these, whatever its content type. Nothing is asked before. `T`: what the messages of a
 * JSON stream are, which is believed and not checked.
 */
export interface StreamReader<T = unknown> {
  /** Everything before it was handed on. */
  readonly offset: string;
  /** The server's word for caches between, to be echoed; null before there is one. Not a place in the stream. */
  readonly cursor: string | null;
  /** Known after the first answer that is no SSE. */
  readonly contentType: string | null;
  readonly upToDate: boolean;
  /** The stream has ended. */
  readonly closed: boolean;

  /** All of it: to the tail, or with `live` to the stream's end. */
  json(): Promise<T[]>;
  text(): Promise<string>;
  bytes(): Promise<Uint8Array>;

  /** Batch by batch; the next is asked for when the last was dealt with. */
  jsonBatches(): AsyncGenerator<Batch<T[]>, void, undefined>;
  textBatches(): AsyncGenerator<Batch<string>, void, undefined>;
  byteBatches(): AsyncGenerator<Batch<Uint8Array>, void, undefined>;
  /** Message by message. */
  items(): AsyncGenerator<T, void, undefined>;

  jsonStream(): ReadableStream<T>;
  textStream(): ReadableStream<string>;
  byteStream(): ReadableStream<Uint8Array>;

  /** Calls for every batch and waits for what it returns. Resolves at the end, rejects with what ended reading early. */
  subscribeJson(callback: (batch: Batch<T[]>) => unknown): Promise<void>;
  subscribeText(callback: (batch: Batch<string>) => unknown): Promise<void>;
  subscribeBytes(callback: (batch: Batch<Uint8Array>) => unknown): Promise<void>;

  /** Ends reading without an error. */
  cancel(): void;
}

/** A JSON stream takes values, each a message; others take texts and bytes. */
export type Content = unknown;

export interface CreateOptions {
  /** Default: the handle's, or 'application/json'. */
  contentType?: string;
  /** Seconds without a read or write after which the stream goes. */
  ttlSeconds?: number;
  /** RFC 3339: when the stream goes. */
  expiresAt?: string;
  /** Create it ended. */
  closed?: boolean;
  /** What it begins with. */
  content?: Content;
}

export interface StreamHead {
  readonly contentType: string | null;
  /** The tail. */
  readonly offset: string;
  readonly closed: boolean;
  readonly ttlSeconds: number | null;
  readonly expiresAt: string | null;
}

export interface Written {
  /** The tail afterwards; null when the server did not say. */
  readonly offset: string | null;
}

export interface ProducerOptions {
  /** Names the producer across restarts; nobody else may have it. Default: a random one. */
  id?: string;
  /** One more than at the last start under this id. Default 0. */
  epoch?: number;
  /** Messages that wait. Default 10000; beyond, `append` rejects with OUTBOX_FULL. */
  messagesMax?: number;
  /** Their characters or bytes. Default 16 MiB. */
  bytesMax?: number;
}

/** Writes in order, each message once, however often a request has to be repeated. */
export interface StreamProducer {
  append(content: Content): Promise<Written>;
  /** Resolves when everything is settled. */
  flush(): Promise<void>;
}

/** A stream to write, to look at and to read. Asks for nothing by itself. */
export interface StreamHandle {
  readonly url: string;
  /** Creates it, or finds it as asked for; a stream that differs rejects with 409. */
  create(options?: CreateOptions): Promise<Written & { readonly created: boolean }>;
  /** One request, made once: when its answer is lost, whether it is stored is unknown. `producer` has no such doubt. */
  append(content: Content, options?: { seq?: string; close?: boolean }): Promise<Written>;
  /** Ends the stream; ending it again is fine. */
  close(): Promise<Written>;
  delete(): Promise<void>;
  /** Null when there is none. */
  head(): Promise<StreamHead | null>;
  read<T = unknown>(options?: ReadOptions): StreamReader<T>;
  producer(options?: ProducerOptions): StreamProducer;
}

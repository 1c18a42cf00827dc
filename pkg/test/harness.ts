// A client on a fake server that writes down everything its callbacks get.
import type { ConnectionInfo, ConnectionLostInfo, DurableStreamsOptions, SessionCallbacks, SessionRecord, Subscription } from 'durable-sessions';
import { DurableStreamsClient, DurableStreamsError } from 'durable-sessions';

import type { FakeServer } from './fake.js';

/** Attempts follow each other at once. */
export const FAST = { initialDelay: 1, maxDelay: 1, jitter: false, maxAttempts: 3 };

export class Recorder {
  readonly records: SessionRecord[] = [];
  readonly errors: DurableStreamsError[] = [];
  readonly calls: string[] = [];
  readonly infos: ConnectionInfo[] = [];
  readonly lost: ConnectionLostInfo[] = [];

  readonly callbacks: SessionCallbacks = {
    onEvent: (record) => this.records.push(record),
    onError: (error) => this.errors.push(error),
    onReconnect: () => this.calls.push('reconnect'),
    onDisconnect: () => this.calls.push('disconnect'),
    onConnectionStateChange: (state, info) => {
      if (this.calls.at(-1) !== state) {
        this.calls.push(state);
      }
      this.infos.push(info);
    },
    onConnectionLost: (info) => this.lost.push(info),
    onClosed: () => this.calls.push('onClosed'),
  };

  ids(): string[] {
    return this.records.map(({ id }) => id);
  }
}

export class Log {
  readonly errors: string[] = [];
  readonly warnings: string[] = [];
  error(message: string): void {
    this.errors.push(message);
  }
  warn(message: string): void {
    this.warnings.push(message);
  }
}

export interface Subscribed {
  client: DurableStreamsClient;
  recorder: Recorder;
  subscription: Subscription;
  log: Log;
}

export function subscribe(server: FakeServer, options: DurableStreamsOptions = {}, callbacks: SessionCallbacks = {}): Subscribed {
  const log = new Log();
  const client = new DurableStreamsClient({ url: 'http://fake.test', fetch: server.fetch, reconnect: FAST, logger: log, ...options });
  const recorder = new Recorder();
  const subscription = client.subscribeToSession('s1', { ...recorder.callbacks, ...callbacks });
  return { client, recorder, subscription, log };
}

// A client for tests of the store: one scripted stream, read live and as history, with holes where a test wants them.
// Must not know the store.
import type { ConnectionInfo, SessionCallbacks, SessionRecord, SubscribeFrom, SubscribeOptions } from 'durable-sessions';
import { DurableStreamsError } from 'durable-sessions';
import type { FrameScheduler, StoreSubscription } from 'durable-sessions/store';

const INFO: ConnectionInfo = { attempt: 0, maxAttempts: 10, nextDelayMs: null, cause: null, transport: 'sse' };

type Payload = Record<string, unknown>;

/** A record as the client would deliver it, at its place in the stream. */
export function record(offset: number, type: string, data: Payload, more: Payload = {}): SessionRecord {
  const prefix = type.split(':')[0] as string;
  const channels: Record<string, string> = { chunk: 'chunks', tool: 'toolCalls', presence: 'presence', terminal: 'terminal', approval: 'workflow', worktree: 'workflow', state: 'agentState', agent: 'agent', 'container-agent': 'containerAgent', topology: 'topology' };
  const mapped: Payload = { ...data };
  if (prefix === 'presence') mapped['action'] = type.slice(9);
  else if (prefix === 'tool') mapped['status'] = type === 'tool:start' ? 'running' : data['isError'] === true ? 'error' : 'complete';
  else if (prefix !== 'chunk' && prefix !== 'state') mapped['type'] = prefix === 'terminal' ? type.slice(9) : type;
  return { channel: channels[prefix] ?? 'unknown', type, id: `e${offset}`, data: { sessionId: 's1', timestamp: 1000 + offset, ...mapped }, offset, cursor: `c${offset}`, ...more } as unknown as SessionRecord;
}

export const chunk = (offset: number, data: Payload = {}): SessionRecord => record(offset, 'chunk', { text: `t${offset} `, ...data });

export class FakeClient {
  /** What the server has stored. */
  stored: SessionRecord[] = [];
  /** Nothing up to this offset exists any more. */
  trimmed = 0;
  /** The next history reads fail with these. */
  readonly failures: string[] = [];
  readonly reads: (SubscribeFrom | null)[] = [];
  opened = 0;
  #place: SubscribeFrom | null = null;
  readonly live = new Set<SessionCallbacks>();

  readonly subscribeToSession = (_sessionId: string, callbacks: SessionCallbacks, { from = null }: SubscribeOptions = {}): StoreSubscription => {
    let active = true;
    const unsubscribe = () => {
      active = false;
      this.live.delete(callbacks);
    };
    if (this.live.size > 0) {
      this.reads.push(from);
      queueMicrotask(() => {
        this.#replay(callbacks, from?.offset ?? 0, () => active);
      });
    } else {
      this.opened += 1;
      this.live.add(callbacks);
    }
    return { unsubscribe, reconnect: () => undefined, getState: () => 'connected', getLastOffset: () => 0, getLastCursor: () => null, getPlace: () => this.#place, getStats: () => ({}) as never };
  };

  #replay(callbacks: SessionCallbacks, from: number, isActive: () => boolean): void {
    if (!isActive()) return;
    const failure = this.failures.shift();
    if (failure !== undefined) {
      callbacks.onConnectionLost?.({ code: 'CONNECTION_LOST', attempts: 1, cause: failure, cursor: null });
      return;
    }
    if (from > 0 && from < this.trimmed) callbacks.onError?.(new DurableStreamsError('HISTORY_TRIMMED', 'trimmed', { offset: from }));
    for (const each of this.stored) {
      if (each.offset > Math.max(from, this.trimmed) && isActive()) callbacks.onEvent?.(each);
    }
  }

  /** Delivers to whoever reads live. */
  deliver(...records: SessionRecord[]): void {
    for (const each of records) {
      for (const callbacks of this.live) callbacks.onEvent?.(each);
      // Each is a batch of its own: the server names a cursor behind it.
      this.#place = { cursor: `c${each.offset}`, offset: each.offset };
    }
  }

  /** Stores, then delivers. */
  append(...records: SessionRecord[]): void {
    this.stored.push(...records);
    this.deliver(...records);
  }

  fail(error: DurableStreamsError): void {
    for (const callbacks of this.live) callbacks.onError?.(error);
  }

  move(state: 'connecting' | 'connected' | 'reconnecting' | 'lost', info: Partial<ConnectionInfo> = {}): void {
    for (const callbacks of this.live) callbacks.onConnectionStateChange?.(state, { ...INFO, ...info });
  }
}

/** Frames come when the test says so. */
export class ManualFrames implements FrameScheduler {
  #tasks: (() => void)[] = [];

  schedule = (task: () => void): (() => void) => {
    this.#tasks.push(task);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== task);
    };
  };

  now = (): number => 5_000;

  get waiting(): number {
    return this.#tasks.length;
  }

  frame(): void {
    const due = this.#tasks;
    this.#tasks = [];
    for (const task of due) task();
  }
}

/** Lets everything that is under way in microtasks come to its end. */
export const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

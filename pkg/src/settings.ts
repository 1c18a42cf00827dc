// Options with their defaults filled in, and the headers of a request. Must not know subscribers or wasm.
import type { EventCheck, EventSchemas } from './custom-types.js';
import { DurableStreamsError } from './errors.js';
import type { RequestSettings } from './request.js';
import type { SendingConfig } from './session-types.js';
import type { DurableStreamsOptions, Logger, ReconnectConfig, TransportOption } from './types.js';

const SESSION_ID = /^[A-Za-z0-9_-]{1,100}$/;
const AGENT_ID = /^[^]{1,256}$/;

const RECONNECT_DEFAULTS: ReconnectConfig = {
  enabled: true,
  initialDelay: 1000,
  maxDelay: 30_000,
  backoffMultiplier: 2,
  maxAttempts: 10,
  jitter: true,
};
const SENDING_DEFAULTS: SendingConfig = { eventsMax: 1000, bytesMax: 1 << 22, cursorMs: 50 };

/** What a client has been told, and what goes for it where it has not. */
export interface ClientSettings extends RequestSettings {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly logger: Logger;
  readonly reconnect: ReconnectConfig;
  readonly sending: SendingConfig;
  readonly frameBytesMax: number;
  readonly transport: TransportOption;
  readonly ephemeral: boolean;
  readonly validation: 'strict' | 'lenient' | 'off';
  /** Null: never. */
  readonly pauseAfterMs: number | null;
  /** Of the application's own event types. */
  readonly schemas: ReadonlyMap<string, EventCheck>;
}

/** All that one stream's connections need. */
export interface StreamSettings extends ClientSettings {
  readonly url: string;
  readonly sessionId: string;
  /** Hears the ids of delivered events. */
  seen(id: string): void;
}

export function clientSettings(options: DurableStreamsOptions<EventSchemas>): ClientSettings {
  const { url = '', logger = console, hidden, events, token, headers, ...others } = given(options);
  return {
    // Looked up per request, so that what replaces the global fetch later is used as well.
    fetch: (url, init) => globalThis.fetch(url, init),
    clock: globalThis,
    silenceMs: 45_000,
    frameBytesMax: 1 << 24,
    transport: 'auto',
    ephemeral: true,
    validation: 'strict',
    ...others,
    reconnect: { ...RECONNECT_DEFAULTS, ...given(options.reconnect) },
    sending: { ...SENDING_DEFAULTS, ...given(options.sending) },
    baseUrl: url.replace(/\/+$/, ''),
    logger: guarded(logger),
    pauseAfterMs: typeof hidden === 'object' ? hidden.pauseAfterMs : null,
    schemas: new Map(events),
    headers: async () => {
      const bearer = typeof token === 'function' ? await token() : token;
      return { ...headers, ...(bearer && { Authorization: `Bearer ${bearer}` }) };
    },
  };
}

// A logger that fails must not take the events with it.
function guarded(logger: Logger): Logger {
  const guard = (level: 'error' | 'warn') => (message: string, ...details: unknown[]) => {
    try {
      logger[level](message, ...details);
    } catch {
      // There is nobody left to tell.
    }
  };
  return { error: guard('error'), warn: guard('warn') };
}

/** Not `randomUUID`, which pages without TLS do not have. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

export function sessionPath(sessionId: string): string {
  if (!SESSION_ID.test(sessionId)) {
    throw new DurableStreamsError('INVALID_SESSION_ID', 'a session id has 1 to 100 letters, digits, _ or -');
  }
  return `sessions/${sessionId}`;
}

export function agentPath(agentId: string): string {
  if (!AGENT_ID.test(agentId)) {
    throw new DurableStreamsError('INVALID_AGENT_ID', 'an agent id has 1 to 256 characters');
  }
  return `agents/${encodeURIComponent(agentId)}`;
}

// `{ maxAttempts: undefined }` means the default, as leaving it out does.
function given<T extends object>(options: T = {} as T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value != null)) as T;
}

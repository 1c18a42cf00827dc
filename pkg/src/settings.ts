// Options with their defaults filled in, and the headers of a request. Must not know subscribers or wasm.
import { schemasByType } from './custom.js';
import type { EventSchemas, StandardSchema } from './custom-types.js';
import { DurableStreamsError } from './errors.js';
import type { RequestSettings } from './request.js';
import type { SendingConfig } from './session-types.js';
import type { DurableStreamsOptions, Logger, ReconnectConfig, TransportOption } from './types.js';

const RECONNECT_DEFAULTS: ReconnectConfig = {
  enabled: true,
  initialDelay: 1000,
  maxDelay: 30_000,
  backoffMultiplier: 2,
  maxAttempts: 10,
  jitter: true,
};
const SILENCE_MS_DEFAULT = 45_000;
const FRAME_BYTES_MAX_DEFAULT = 16 * 1024 * 1024;
const SESSION_ID = /^[A-Za-z0-9_-]{1,100}$/;
const AGENT_ID_CHARS_MAX = 256;

const SENDING_DEFAULTS: SendingConfig = { eventsMax: 1000, bytesMax: 4 * 1024 * 1024, cursorMs: 50 };

/** All that one stream's connections need. */
export interface StreamSettings extends RequestSettings {
  readonly url: string;
  readonly sessionId: string;
  readonly reconnect: ReconnectConfig;
  readonly frameBytesMax: number;
  readonly logger: Logger;
  readonly transport: TransportOption;
  readonly ephemeral: boolean;
  readonly validation: 'strict' | 'lenient' | 'off';
  /** Null: never. */
  readonly pauseAfterMs: number | null;
  /** Hears the ids of delivered events. */
  seen: ((id: string) => void) | null;
  readonly schemas: ReadonlyMap<string, StandardSchema>;
}

export interface ClientSettings {
  readonly logger: Logger;
  readonly baseUrl: string;
  readonly reconnect: ReconnectConfig;
  readonly sending: SendingConfig;
  readonly request: RequestSettings;
  stream(path: string, sessionId: string): StreamSettings;
}

export function clientSettings(options: DurableStreamsOptions<EventSchemas>): ClientSettings {
  const logger = guarded(options.logger ?? console);
  const baseUrl = (options.url ?? '').replace(/\/+$/, '');
  const reconnect = { ...RECONNECT_DEFAULTS, ...withoutUndefined(options.reconnect ?? {}) };
  const { token, headers } = options;
  const request: RequestSettings = {
    // Looked up per request, so that what replaces the global fetch later is used as well.
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    clock: options.clock ?? globalThis,
    silenceMs: options.silenceMs ?? SILENCE_MS_DEFAULT,
    headers: async () => {
      const bearer = typeof token === 'function' ? await token() : token;
      return { ...headers, ...(bearer && { Authorization: `Bearer ${bearer}` }) };
    },
  };
  const schemas = schemasByType(options.events);
  return {
    logger,
    baseUrl,
    reconnect,
    sending: { ...SENDING_DEFAULTS, ...withoutUndefined(options.sending ?? {}) },
    request,
    stream: (path, sessionId) => ({
      ...request,
      url: `${baseUrl}/v1/stream/${path}`,
      sessionId,
      reconnect,
      frameBytesMax: options.frameBytesMax ?? FRAME_BYTES_MAX_DEFAULT,
      logger,
      transport: options.transport ?? 'auto',
      ephemeral: options.ephemeral ?? true,
      validation: options.validation ?? 'strict',
      pauseAfterMs: typeof options.hidden === 'object' ? options.hidden.pauseAfterMs : null,
      seen: null,
      schemas,
    }),
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
  return Array.from(crypto.getRandomValues(new Uint8Array(18)), (byte) => byte.toString(36)).join('');
}

export function sessionPath(sessionId: string): string {
  if (!SESSION_ID.test(sessionId)) {
    throw new DurableStreamsError('INVALID_SESSION_ID', 'a session id has 1 to 100 letters, digits, _ or -');
  }
  return `sessions/${sessionId}`;
}

export function agentPath(agentId: string): string {
  if (agentId.length === 0 || agentId.length > AGENT_ID_CHARS_MAX) {
    throw new DurableStreamsError('INVALID_AGENT_ID', 'an agent id has 1 to 256 characters');
  }
  return `agents/${encodeURIComponent(agentId)}`;
}

// `{ maxAttempts: undefined }` means the default, as leaving it out does.
function withoutUndefined<T extends object>(partial: T): T {
  return Object.fromEntries(Object.entries(partial).filter(([, value]) => value !== undefined)) as T;
}

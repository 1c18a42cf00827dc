// Options with their defaults filled in, and the headers of a request. Must not know subscribers or wasm.
import { schemasByType } from './custom.js';
import type { EventSchemas, StandardSchema } from './custom-types.js';
import { DurableStreamsError } from './errors.js';
import type { DurableStreamsOptions, FetchLike, Logger, ReconnectConfig } from './types.js';

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

/** All that one stream's connections need. */
export interface StreamSettings {
  readonly url: string;
  readonly sessionId: string;
  readonly reconnect: ReconnectConfig;
  readonly silenceMs: number;
  readonly frameBytesMax: number;
  readonly logger: Logger;
  readonly fetch: FetchLike;
  readonly schemas: ReadonlyMap<string, StandardSchema>;
  headers(refresh: boolean): Promise<Record<string, string>>;
}

export interface ClientSettings {
  readonly logger: Logger;
  readonly baseUrl: string;
  stream(path: string, sessionId: string): StreamSettings;
}

export function clientSettings(options: DurableStreamsOptions<EventSchemas>): ClientSettings {
  const logger = guarded(options.logger ?? console);
  const baseUrl = (options.url ?? '').replace(/\/+$/, '');
  const reconnect = { ...RECONNECT_DEFAULTS, ...withoutUndefined(options.reconnect ?? {}) };
  const { token, headers } = options;
  const schemas = schemasByType(options.events);
  // Looked up per request, so that what replaces the global fetch later is used as well.
  const fetch: FetchLike = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  return {
    logger,
    baseUrl,
    stream: (path, sessionId) => ({
      url: `${baseUrl}/v1/stream/${path}`,
      sessionId,
      reconnect,
      silenceMs: options.silenceMs ?? SILENCE_MS_DEFAULT,
      frameBytesMax: options.frameBytesMax ?? FRAME_BYTES_MAX_DEFAULT,
      logger,
      fetch,
      schemas,
      headers: async () => {
        const bearer = typeof token === 'function' ? await token() : token;
        const all: Record<string, string> = { ...headers, Accept: 'text/event-stream' };
        if (bearer !== undefined && bearer !== '') {
          all['Authorization'] = `Bearer ${bearer}`;
        }
        return all;
      },
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

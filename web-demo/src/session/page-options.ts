// What the address may ask for in its query, for tests and demonstrations:
//   e2e=1                                   expose window.__durableSessions (see observed.ts)
//   presence=0 or 1                         join the session as a visitor: yes, unless it is observed for a test
//   maxAttempts=, initialDelay=, maxDelay=  the client's ReconnectConfig, so that 'lost' can be reached quickly

export interface PageOptions {
  readonly url: string;
  readonly observe: boolean;
  readonly join: boolean;
  readonly reconnect: Readonly<Partial<{ initialDelay: number; maxDelay: number; maxAttempts: number }>>;
}

const RECONNECT_NAMES = ['initialDelay', 'maxDelay', 'maxAttempts'] as const;

export function readPageOptions(location: Pick<Location, 'origin' | 'search'> = window.location): PageOptions {
  const query = new URLSearchParams(location.search);
  const reconnect: { -readonly [K in keyof PageOptions['reconnect']]: number } = {};
  for (const name of RECONNECT_NAMES) {
    const value = Number(query.get(name) ?? Number.NaN);
    if (Number.isSafeInteger(value) && value > 0) reconnect[name] = value;
  }
  const observe = query.get('e2e') === '1';
  return { url: location.origin, observe, join: (query.get('presence') ?? (observe ? '0' : '1')) === '1', reconnect };
}

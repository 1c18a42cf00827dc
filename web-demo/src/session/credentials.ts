// Token and session of this tab. Both arrive in the URL fragment, which never leaves the browser, move to
// sessionStorage, which dies with the tab, and are taken out of the address bar, where they could be read or copied.

const TOKEN_KEY = 'durable-sessions.token';
const SESSION_KEY = 'durable-sessions.session';

export interface Credentials {
  readonly token: string | null;
  readonly session: string | null;
}

export function takeFragment(
  location: Pick<Location, 'hash' | 'pathname' | 'search'> = window.location,
  history: Pick<History, 'replaceState'> = window.history,
  storage: Storage = window.sessionStorage,
): Credentials {
  const fragment = new URLSearchParams(location.hash.replace(/^#/, ''));
  const token = fragment.get('token');
  const session = fragment.get('session');
  if (token !== null && token !== '') {
    // Another token is another server or another run: the session of the last one need not exist there.
    if (storage.getItem(TOKEN_KEY) !== token) storage.removeItem(SESSION_KEY);
    storage.setItem(TOKEN_KEY, token);
  }
  if (session !== null && session !== '') storage.setItem(SESSION_KEY, session);
  if (token !== null || session !== null) {
    history.replaceState(null, '', location.pathname + location.search);
  }
  return { token: storage.getItem(TOKEN_KEY), session: storage.getItem(SESSION_KEY) };
}

export function keepToken(token: string | null, storage: Storage = window.sessionStorage): void {
  if (token === null) storage.removeItem(TOKEN_KEY);
  else storage.setItem(TOKEN_KEY, token);
}

export function keepSession(session: string, storage: Storage = window.sessionStorage): void {
  storage.setItem(SESSION_KEY, session);
}

// Asks for the access token when the address brought none, or when the server refused the one there was.

import { type FormEvent, useState } from 'react';

interface TokenFormProps {
  readonly problem: string | null;
  readonly onToken: (token: string) => void;
}

export function TokenForm({ problem, onToken }: TokenFormProps) {
  const [token, setToken] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() !== '') onToken(token.trim());
  };
  return (
    <main className="token" id="main">
      <form onSubmit={submit} aria-labelledby="token-title">
        <img src="./icon.svg" alt="" width="40" height="40" />
        <h1 id="token-title">Durable sessions</h1>
        <p>This server wants an access token before it shows a session.</p>
        {problem === null ? null : <p className="notice notice-bad" role="alert">{problem}</p>}
        <label htmlFor="token-field">Access token</label>
        <input id="token-field" type="password" value={token} onChange={(event) => setToken(event.target.value)} autoComplete="off" spellCheck={false} autoFocus data-testid="token-field" />
        <button type="submit" className="primary" disabled={token.trim() === ''}>Continue</button>
        <details open>
          <summary>Where do I find it?</summary>
          <ul>
            <li><code>cargo xtask demo</code> prints an address that ends in <code>#token=…</code>: open that whole address, or paste what stands after the equals sign.</li>
            <li>For your own server it is the value of <code>--token</code> or <code>DURABLE_SESSIONS_TOKEN</code>.</li>
          </ul>
        </details>
        <p className="muted">It is kept in this tab's session storage and goes nowhere but to this server.</p>
      </form>
    </main>
  );
}

// Decides between the token form and the workbench.

import { useCallback, useEffect, useState } from 'react';

import { TokenForm } from '../components/TokenForm';
import { listSessions } from '../session/api';
import { keepToken, takeFragment } from '../session/credentials';
import { Visitor } from '../session/identity';
import { Network } from '../session/network';
import { readPageOptions } from '../session/page-options';
import { Workbench } from './Workbench';

const network = new Network();
const page = readPageOptions();
const initial = takeFragment();
const visitor = new Visitor();

/** `unknown` until the server has said whether it lets anyone in, as one with `--dev-no-auth` does. */
type OpenDoor = 'unknown' | 'open' | 'shut';

export function App() {
  const [token, setToken] = useState(initial.token);
  const [door, setDoor] = useState<OpenDoor>(initial.token === null ? 'unknown' : 'shut');
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    if (door !== 'unknown') return;
    listSessions(network, page.url, null).then(
      () => setDoor('open'),
      () => setDoor('shut'),
    );
  }, [door]);

  const accept = useCallback((next: string) => {
    keepToken(next);
    setToken(next);
    setProblem(null);
  }, []);
  const forget = useCallback((why: string | null) => {
    keepToken(null);
    setToken(null);
    setDoor('shut');
    setProblem(why);
  }, []);
  const refused = useCallback((message: string) => forget(`The server refused the token: ${message}`), [forget]);

  if (token === null && door === 'unknown') return null;
  if (token === null && door === 'shut') return <TokenForm problem={problem} onToken={accept} />;
  return <Workbench key={token} network={network} page={page} token={token} visitor={visitor} initialSession={initial.session} onUnauthorized={refused} onForgetToken={() => forget(null)} />;
}

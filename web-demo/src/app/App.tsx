// Decides between the token form and the workbench.

import { useCallback, useState } from 'react';

import { TokenForm } from '../components/TokenForm';
import { keepToken, takeFragment } from '../session/credentials';
import { Network } from '../session/network';
import { readPageOptions } from '../session/page-options';
import { Workbench } from './Workbench';

const network = new Network();
const page = readPageOptions();
const initial = takeFragment();

export function App() {
  const [token, setToken] = useState(initial.token);
  const [problem, setProblem] = useState<string | null>(null);

  const accept = useCallback((next: string) => {
    keepToken(next);
    setToken(next);
    setProblem(null);
  }, []);
  const forget = useCallback((why: string | null) => {
    keepToken(null);
    setToken(null);
    setProblem(why);
  }, []);
  const refused = useCallback((message: string) => forget(`The server refused the token: ${message}`), [forget]);

  if (token === null) return <TokenForm problem={problem} onToken={accept} />;
  return <Workbench key={token} network={network} page={page} token={token} initialSession={initial.session} onUnauthorized={refused} onForgetToken={() => forget(null)} />;
}

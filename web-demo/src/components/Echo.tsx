// What is known about an event that this page has sent and that the stream has not brought back yet.

import { useSessionActions } from 'durable-sessions/react';
import type { EchoState } from 'durable-sessions/store';

interface EchoMarkProps {
  readonly session: string;
  readonly id: string;
  readonly echo: EchoState;
}

export function EchoMark({ session, id, echo }: EchoMarkProps) {
  const { retry, discard } = useSessionActions(session);
  if (echo.state !== 'failed') return <span className="echo" data-testid="echo" data-echo={echo.state}>sending…</span>;
  return (
    <span className="echo echo-failed" data-testid="echo" data-echo="failed">
      <span role="alert">Not sent: {echo.reason ?? 'given up'}</span>
      <button type="button" className="link" onClick={() => retry(id)}>Try again</button>
      <button type="button" className="link" onClick={() => discard(id)}>Discard</button>
    </span>
  );
}

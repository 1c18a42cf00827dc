// What a dead letter holds, read when somebody wants to see it, and shown as text.

import { type SyntheticEvent, useState } from 'react';

import { plural } from '../../app/format';
import { readPayload } from '../../session/admin-api';
import type { Api } from '../../session/envelope';

const SHOWN_CHARS_MAX = 20_000;

type Shown = { readonly text: string } | { readonly problem: string } | null;

export function Payload({ api, id }: { readonly api: Api; readonly id: string }) {
  const [shown, setShown] = useState<Shown>(null);
  const toggled = (event: SyntheticEvent<HTMLDetailsElement>) => {
    if (!event.currentTarget.open || (shown !== null && 'text' in shown)) return;
    setShown(null);
    readPayload(api, id).then(
      (text) => setShown({ text }),
      (failure: unknown) => setShown({ problem: failure instanceof Error ? failure.message : String(failure) }),
    );
  };
  return (
    <details className="payload" onToggle={toggled}>
      <summary>Payload</summary>
      {shown === null ? <p className="empty">Reading…</p> : 'problem' in shown ? <p className="notice notice-bad" role="alert">{shown.problem}</p> : <Text text={shown.text} />}
    </details>
  );
}

function Text({ text }: { readonly text: string }) {
  const over = text.length - SHOWN_CHARS_MAX;
  return (
    <>
      <pre tabIndex={0}>{over > 0 ? text.slice(0, SHOWN_CHARS_MAX) : text}</pre>
      {over > 0 ? <p className="dropped">{plural(over, 'more character')} not shown: <code>durable-sessions dead-letters show</code> has all</p> : null}
    </>
  );
}

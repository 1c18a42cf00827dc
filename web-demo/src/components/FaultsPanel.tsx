// Buttons that do harm, to see that nothing comes of it.

import { useState, useSyncExternalStore } from 'react';

import { BAD_EVENTS, type BadEventName, postBadEvent, type Refusal } from '../session/api';
import type { Network } from '../session/network';
import { Icon } from './Icon';

interface FaultsPanelProps {
  readonly network: Network;
  readonly url: string;
  readonly token: string | null;
  readonly session: string;
}

const BAD_NAMES = Object.keys(BAD_EVENTS) as BadEventName[];

export function FaultsPanel({ network, url, token, session }: FaultsPanelProps) {
  const isCut = useSyncExternalStore(network.subscribe, () => network.isCut);
  const damagePending = useSyncExternalStore(network.subscribe, () => network.damagePending);
  const [name, setName] = useState<BadEventName>(BAD_NAMES[0] ?? 'a number where text belongs');
  const [refusal, setRefusal] = useState<Refusal | string | null>(null);
  const [posting, setPosting] = useState(false);

  const post = () => {
    setPosting(true);
    postBadEvent(network, url, token, session, name)
      .then(setRefusal, (failure: unknown) => setRefusal(failure instanceof Error ? failure.message : String(failure)))
      .finally(() => setPosting(false));
  };

  return (
    <section className="panel faults" aria-labelledby="faults-title">
      <h2 id="faults-title">Try to break it</h2>
      <div className="fault">
        {isCut ? (
          <button type="button" className="primary" onClick={() => network.restore()} data-testid="restore"><Icon name="plug" /> Restore network</button>
        ) : (
          <button type="button" onClick={() => network.cut()} data-testid="cut"><Icon name="cut" /> Cut network</button>
        )}
        <p>{isCut ? 'Open responses were aborted; every new request fails.' : 'Aborts the open response in the middle and refuses new ones.'}</p>
      </div>
      <div className="fault">
        <button type="button" onClick={() => network.damageNextEvent()} data-testid="damage"><Icon name="bolt" /> Damage next event</button>
        <p aria-live="polite">{damagePending > 0 ? `Waiting for ${damagePending === 1 ? 'an event' : `${damagePending} events`} to damage…` : 'Flips a bit of the next event on its way in. It is rejected and the stream goes on; a reload brings it back whole.'}</p>
      </div>
      <div className="fault">
        <button type="button" onClick={post} disabled={posting} data-testid="post-bad"><Icon name="post" /> Post a bad event</button>
        <label className="visually-hidden" htmlFor="bad-event">What is wrong with it</label>
        <select id="bad-event" value={name} onChange={(event) => setName(event.target.value as BadEventName)}>
          {BAD_NAMES.map((candidate) => <option key={candidate}>{candidate}</option>)}
        </select>
      </div>
      {refusal === null ? null : <RefusalView refusal={refusal} onClose={() => setRefusal(null)} />}
    </section>
  );
}

function RefusalView({ refusal, onClose }: { readonly refusal: Refusal | string; readonly onClose: () => void }) {
  return (
    <div className="refusal" role="status" data-testid="refusal">
      <p className="refusal-head">
        {typeof refusal === 'string' ? (
          <strong>The request failed</strong>
        ) : (
          <strong className={refusal.status >= 400 ? 'is-refused' : 'is-accepted'}><span data-testid="refusal-status">{refusal.status}</span> {refusal.statusText}</strong>
        )}
        <button type="button" className="icon-button" onClick={onClose} aria-label="Dismiss the answer"><Icon name="close" /></button>
      </p>
      <pre tabIndex={0} data-testid="refusal-body">{typeof refusal === 'string' ? refusal : pretty(refusal.body)}</pre>
      {typeof refusal === 'string' ? null : (
        <details>
          <summary>What was sent</summary>
          <pre tabIndex={0}>{refusal.sent}</pre>
        </details>
      )}
    </div>
  );
}

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body === '' ? '(empty body)' : body;
  }
}

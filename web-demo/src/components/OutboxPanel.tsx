// What this page has sent and the stream does not have: how much waits, and what was given up, why, and what to do now.

import type { Outbox, OutboxEntry } from 'durable-sessions';
import { useSyncExternalStore } from 'react';

import { count, plural } from '../app/format';
import type { Monitor } from '../view/monitor';

const ROWS_SHOWN = 20;

export function OutboxPanel({ outbox, monitor }: { readonly outbox: Outbox; readonly monitor: Monitor }) {
  const entries = useSyncExternalStore(outbox.subscribe, outbox.getSnapshot);
  const inDoubt = useSyncExternalStore(monitor.subscribe, () => monitor.getSnapshot().inDoubt);
  const failed = entries.filter(({ state }) => state === 'failed');
  const shown = failed.slice(-ROWS_SHOWN).toReversed();
  const hidden = failed.length - shown.length;
  return (
    <section className="panel outbox" aria-labelledby="outbox-title" data-testid="outbox">
      <h2 id="outbox-title">Outbox</h2>
      {entries.length === 0 ? <p className="empty">Empty. Everything sent from here is in the stream.</p> : <Depth entries={entries} failed={failed.length} />}
      {failed.length === 0 ? null : <p className="muted">Kept in this tab only: closing it forgets them.</p>}
      <ol className="outbox-rows">
        {shown.map((entry) => <GivenUp key={entry.id} entry={entry} outbox={outbox} inDoubt={inDoubt.has(entry.id)} />)}
      </ol>
      {hidden > 0 ? <p className="dropped">{count(hidden)} older ones not shown</p> : null}
    </section>
  );
}

function Depth({ entries, failed }: { readonly entries: readonly OutboxEntry[]; readonly failed: number }) {
  const of = (state: OutboxEntry['state']) => entries.filter((entry) => entry.state === state).length;
  const retried = Math.max(0, ...entries.filter(({ state }) => state !== 'failed').map(({ attempts }) => attempts));
  return (
    <p className="outbox-counts" data-testid="outbox-depth">
      {count(of('pending') + of('sending'))} waiting, {count(of('sent'))} stored and not seen yet, <span className={failed > 0 ? 'is-bad' : undefined}>{count(failed)} given up</span>
      {retried > 1 ? <span className="muted"> · attempt {count(retried)}</span> : null}
    </p>
  );
}

function GivenUp({ entry: { id, event, attempts, cause }, outbox, inDoubt }: { readonly entry: OutboxEntry; readonly outbox: Outbox; readonly inDoubt: boolean }) {
  return (
    <li data-testid="given-up" data-id={id}>
      <p><code>{event.type}</code> {plural(attempts, 'attempt')}</p>
      <p>{cause === null ? 'Given up.' : <><code>{cause.code}</code> {cause.message}</>}</p>
      {inDoubt ? <p className="is-bad">It may be stored all the same: sent again it may be there twice.</p> : null}
      <p>
        <button type="button" className="link" onClick={() => void outbox.retry(id).catch(() => undefined)}>Try again</button>
        <button type="button" className="link" onClick={() => outbox.discard(id)}>Discard</button>
      </p>
    </li>
  );
}

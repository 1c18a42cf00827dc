// Events that validation refused, with the reasons, newest first.

import { useSyncExternalStore } from 'react';

import { clock, count } from '../app/format';
import type { Monitor, Rejection } from '../view/monitor';

const ROWS_SHOWN = 50;

export function RejectedPanel({ monitor }: { readonly monitor: Monitor }) {
  const { items, dropped } = useSyncExternalStore(monitor.subscribe, () => monitor.getSnapshot().rejections);
  const shown = items.slice(-ROWS_SHOWN).toReversed();
  const hidden = dropped + items.length - shown.length;
  return (
    <section className="panel rejected" aria-labelledby="rejected-title">
      <h2 id="rejected-title">Rejected events</h2>
      {shown.length === 0 ? <p className="empty">None. Every event so far was valid.</p> : null}
      <ol className="rejected-rows" data-testid="rejected-rows">
        {shown.map((row) => <RejectedItem key={row.key} row={row} />)}
      </ol>
      {hidden > 0 ? <p className="dropped">{count(hidden)} older rejections not shown</p> : null}
    </section>
  );
}

function RejectedItem({ row: { at, error: row } }: { readonly row: Rejection }) {
  const hasBoth = row.expected !== null || row.came !== null;
  return (
    <li className="rejection" data-testid="rejection" data-path={row.path ?? ''}>
      <p className="rejection-head">
        <code>{row.code}</code>
        {row.eventType === null ? null : <span>{row.eventType}</span>}
        <time dateTime={new Date(at).toISOString()}>{clock(at)}</time>
      </p>
      {row.path === null && !hasBoth ? <p className="rejection-message">{row.message}</p> : null}
      <dl className="facts">
        {row.path === null ? null : <Fact name="Path" value={row.path} />}
        {row.expected === null ? null : <Fact name="Expected" value={row.expected} />}
        {row.came === null ? null : <Fact name="Came" value={row.came === '' ? 'nothing' : row.came} />}
        {row.offset === null ? null : <Fact name="Offset" value={count(row.offset)} />}
      </dl>
    </li>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="mono">{value}</dd>
    </div>
  );
}

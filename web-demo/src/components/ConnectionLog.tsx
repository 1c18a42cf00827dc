// What happened to the connection, newest first.

import { useSyncExternalStore } from 'react';

import { clock, count } from '../app/format';
import type { Monitor } from '../view/monitor';

const ROWS_SHOWN = 40;

export function ConnectionLog({ monitor }: { readonly monitor: Monitor }) {
  const { items, dropped } = useSyncExternalStore(monitor.subscribe, () => monitor.getSnapshot().log);
  const shown = items.slice(-ROWS_SHOWN).toReversed();
  const hidden = dropped + items.length - shown.length;
  return (
    <section className="panel log" aria-labelledby="log-title">
      <h2 id="log-title">Connection log</h2>
      <ol className="log-rows">
        {shown.map((entry) => (
          <li key={entry.key} className={`tone-${entry.tone}`}>
            <time dateTime={new Date(entry.at).toISOString()}>{clock(entry.at)}</time>
            <span>{entry.text}</span>
          </li>
        ))}
      </ol>
      {hidden > 0 ? <p className="dropped">{count(hidden)} older lines not shown</p> : null}
    </section>
  );
}

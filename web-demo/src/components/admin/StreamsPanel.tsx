// All streams of the server, with size, subscribers and lag, page by page.

import { type FormEvent, useCallback, useState } from 'react';

import { ago, bytes, count, plural } from '../../app/format';
import { useNow } from '../../app/use-now';
import { usePolled } from '../../app/use-polled';
import { listStreams, type StreamRow } from '../../session/admin-api';
import type { Api } from '../../session/envelope';
import { Icon } from '../Icon';

const PERIOD_MS = 4_000;

interface StreamsPanelProps {
  readonly api: Api;
  readonly isCut: boolean;
  readonly onOpen: (session: string) => void;
  readonly onUnauthorized: (message: string) => void;
}

export function StreamsPanel({ api, isCut, onOpen, onUnauthorized }: StreamsPanelProps) {
  const [prefix, setPrefix] = useState('');
  const [followed, setFollowed] = useState(false);
  // The cursors of the pages before this one and of this one; the first page has none.
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1) ?? null;
  const now = useNow(5_000);
  const ask = useCallback(() => listStreams(api, { prefix, followed, cursor }), [api, prefix, followed, cursor]);
  const { value, error, refreshing, refresh } = usePolled(ask, PERIOD_MS, onUnauthorized);
  const next = value?.next ?? null;
  const rows = value?.rows ?? null;
  return (
    <section className="panel" aria-labelledby="streams-title" data-testid="admin-streams">
      <div className="admin-panel-head">
        <h2 id="streams-title">Streams</h2>
        <PrefixForm
          onPrefix={(wanted) => {
            setPrefix(wanted);
            setCursors([]);
          }}
        />
        <label className="check">
          <input
            type="checkbox"
            checked={followed}
            onChange={(event) => {
              setFollowed(event.target.checked);
              setCursors([]);
            }}
            data-testid="only-followed"
          />
          Only with subscribers
        </label>
        <button type="button" className="icon-button" onClick={refresh} aria-label="Refresh streams" title="Refresh streams">
          <span className={refreshing ? 'turning' : undefined}><Icon name="refresh" /></span>
        </button>
      </div>
      {error === null || isCut ? null : <p className="notice notice-bad" role="alert">{rows === null ? 'The streams could not be read' : 'Not up to date'}: {error}</p>}
      {rows === null && error === null ? <p className="empty">Reading…</p> : null}
      {rows !== null && rows.length === 0 ? <p className="empty" data-testid="streams-empty">{emptyWords(prefix, followed, cursor !== null)}</p> : null}
      {rows === null || rows.length === 0 ? null : <StreamTable rows={rows} now={now} onOpen={onOpen} />}
      {cursor === null && next === null ? null : (
        <nav className="admin-pages" aria-label="Pages of streams">
          <button type="button" disabled={cursor === null} onClick={() => setCursors(cursors.slice(0, -1))}>Previous</button>
          <span className="muted">Page {count(cursors.length + 1)}</span>
          <button type="button" disabled={next === null} onClick={() => next !== null && setCursors([...cursors, next])}>Next</button>
        </nav>
      )}
      <p className="admin-hint">
        Lag is how far the slowest open SSE answer of a stream is behind its end: the end minus the position up to which that answer was handed
        to its connection, in events (bytes where a stream is not JSON). Long-polls are not counted.
      </p>
    </section>
  );
}

function emptyWords(prefix: string, followed: boolean, isLater: boolean): string {
  if (isLater) return 'Nothing more: what stood here is gone.';
  if (followed) return prefix === '' ? 'Nobody follows a stream at the moment.' : 'Nobody follows a stream whose path begins like this.';
  return prefix === '' ? 'No streams yet. One appears here as soon as it is created.' : 'No stream’s path begins like this.';
}

function PrefixForm({ onPrefix }: { readonly onPrefix: (prefix: string) => void }) {
  const [text, setText] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onPrefix(text.trim());
  };
  return (
    <form className="admin-prefix" onSubmit={submit} role="search">
      <label htmlFor="streams-prefix" className="visually-hidden">Beginning of the path</label>
      <input
        id="streams-prefix"
        type="search"
        value={text}
        placeholder="Path begins with"
        onChange={(event) => {
          setText(event.target.value);
          // The cross that empties the field.
          if (event.target.value === '') onPrefix('');
        }}
        autoComplete="off"
        spellCheck={false}
      />
      <button type="submit">Show</button>
    </form>
  );
}

function StreamTable({ rows, now, onOpen }: { readonly rows: readonly StreamRow[]; readonly now: number; readonly onOpen: (session: string) => void }) {
  return (
    <table className="admin-table">
      <caption className="visually-hidden">Streams in order of their path</caption>
      <thead>
        <tr>
          <th scope="col">Stream</th>
          <th scope="col">Status</th>
          <th scope="col" className="is-number">Size</th>
          <th scope="col" className="is-number">Subscribers</th>
          <th scope="col" className="is-number">Lag</th>
          <th scope="col">Changed</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => <Stream key={row.path} row={row} now={now} onOpen={onOpen} />)}
      </tbody>
    </table>
  );
}

function Stream({ row, now, onOpen }: { readonly row: StreamRow; readonly now: number; readonly onOpen: (session: string) => void }) {
  const { sessionId } = row;
  return (
    <tr data-testid="stream" data-path={row.path}>
      <th scope="row">
        {sessionId === null ? (
          <code>{row.path}</code>
        ) : (
          <button type="button" className="link" onClick={() => onOpen(sessionId)} title={`Open ${row.path}`}><code>{row.path}</code></button>
        )}
        {row.title === null ? null : <span className="muted admin-sub">{row.title}</span>}
      </th>
      <td data-label="Status"><span className={`chip chip-${row.status ?? ''}`}>{row.status ?? (row.closed ? 'closed' : 'open')}</span></td>
      <td data-label="Size" className="is-number" title={row.size === row.end ? undefined : `${quantity(row.end, row)} ever; older ones were given up`}>{quantity(row.size, row)}</td>
      <td data-label="Subscribers" className="is-number">{count(row.subscribers)}</td>
      <td data-label="Lag" className={row.lagging > 0 ? 'is-number is-bad' : 'is-number'} data-testid="stream-lag">
        {row.lag === null ? '–' : quantity(row.lag, row)}
        {row.lagging > 0 ? <span className="muted admin-sub">{count(row.lagging)} behind</span> : null}
      </td>
      <td data-label="Changed">{row.updatedAtMs === null ? '–' : ago(row.updatedAtMs, now)}</td>
    </tr>
  );
}

function quantity(value: number, { unit, sessionId }: StreamRow): string {
  return unit === 'bytes' ? bytes(value) : plural(value, sessionId === null ? 'message' : 'event');
}

// The sessions of this server.

import { type Ref, useState } from 'react';

import { ago, plural } from '../app/format';
import { useNow } from '../app/use-now';
import type { Sessions } from '../app/use-sessions';
import type { SessionRow } from '../session/api';
import { Icon } from './Icon';

interface SessionListProps {
  readonly sessions: Sessions;
  readonly openId: string | null;
  readonly onOpen: (id: string) => void;
  readonly filterRef: Ref<HTMLInputElement>;
}

const ROWS_MAX = 200;
const SESSION_ID = /^[A-Za-z0-9_-]{1,100}$/;

export function SessionList({ sessions, openId, onOpen, filterRef }: SessionListProps) {
  const [filter, setFilter] = useState('');
  const now = useNow(5_000);
  const { rows, hasMore, error, refreshing, refresh } = sessions;
  const wanted = filter.trim().toLowerCase();
  const matching = (rows ?? []).filter((row) => `${row.id} ${row.title ?? ''} ${row.status}`.toLowerCase().includes(wanted));
  const shown = matching.slice(0, ROWS_MAX);
  const canOpenById = SESSION_ID.test(filter.trim()) && !(rows ?? []).some((row) => row.id === filter.trim());
  return (
    <nav className="pane sessions" aria-labelledby="sessions-title" data-pane="sessions">
      <header className="pane-head">
        <h2 id="sessions-title">Sessions</h2>
        <span className="pane-note">{rows === null ? '' : `${plural(rows.length, 'session')}${hasMore ? ' and more' : ''}`}</span>
        <button type="button" className="icon-button" onClick={refresh} aria-label="Refresh sessions" title="Refresh sessions" data-testid="refresh-sessions">
          <span className={refreshing ? 'turning' : undefined}><Icon name="refresh" /></span>
        </button>
      </header>
      <div className="sessions-filter">
        <label htmlFor="sessions-filter" className="visually-hidden">Filter sessions, or type an id to open</label>
        <input ref={filterRef} id="sessions-filter" type="search" placeholder="Filter, or open by id" value={filter} onChange={(event) => setFilter(event.target.value)} autoComplete="off" spellCheck={false} />
      </div>
      {error === null ? null : (
        <p className={rows === null ? 'notice notice-bad' : 'sessions-stale'} data-testid="sessions-error" title={error}>
          {rows === null ? `The list could not be read: ${error}` : 'Not up to date: the last refresh failed'}
        </p>
      )}
      {rows !== null && rows.length === 0 ? <EmptySessions /> : null}
      {rows === null && error === null ? <p className="empty">Loading sessions…</p> : null}
      <ul className="session-rows" data-testid="session-rows">
        {shown.map((row) => (
          <li key={row.id}>
            <SessionButton row={row} isOpen={row.id === openId} now={now} onOpen={onOpen} />
          </li>
        ))}
      </ul>
      {matching.length > shown.length ? <p className="dropped">{plural(matching.length - shown.length, 'more session')} not shown: filter to find them</p> : null}
      {canOpenById && filter !== '' ? (
        <button type="button" className="open-by-id" onClick={() => onOpen(filter.trim())}>
          Open <code>{filter.trim()}</code>
        </button>
      ) : null}
    </nav>
  );
}

function SessionButton({ row, isOpen, now, onOpen }: { readonly row: SessionRow; readonly isOpen: boolean; readonly now: number; readonly onOpen: (id: string) => void }) {
  const at = row.updatedAtMs ?? row.createdAtMs;
  return (
    <button type="button" className="session" aria-current={isOpen ? 'true' : undefined} onClick={() => onOpen(row.id)} data-testid="session" data-session={row.id}>
      <span className={`session-dot status-${row.status}`} aria-hidden="true" />
      <span className="session-name">{row.title ?? row.id}</span>
      <span className="session-facts">
        <span>{row.status}</span>
        {row.eventCount === null ? null : <span>{plural(row.eventCount, 'event')}</span>}
        {at === null ? null : <span>{ago(at, now)}</span>}
      </span>
    </button>
  );
}

function EmptySessions() {
  return (
    <div className="empty" data-testid="sessions-empty">
      <p><strong>No sessions yet.</strong></p>
      <p>A session appears here as soon as something is appended to it. To make one from a recorded run:</p>
      <pre tabIndex={0}>durable-sessions replay FILE --session demo</pre>
    </div>
  );
}

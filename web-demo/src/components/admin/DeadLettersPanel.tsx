// Queued appends that the server gave up: why, how often and when they were tried; queued again or deleted from here.

import { useCallback, useRef, useState } from 'react';

import { bytes, count, duration, plural } from '../../app/format';
import { usePolled } from '../../app/use-polled';
import { type Change, changeLetters, type DeadLetter, listDeadLetters } from '../../session/admin-api';
import { type Api, ApiError } from '../../session/envelope';
import { Icon } from '../Icon';
import { Payload } from './Payload';

const PERIOD_MS = 4_000;
const TIME = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });

interface DeadLettersPanelProps {
  readonly api: Api;
  readonly isCut: boolean;
  readonly onUnauthorized: (message: string) => void;
}

interface Outcome {
  readonly text: string;
  readonly isBad: boolean;
}

export function DeadLettersPanel({ api, isCut, onUnauthorized }: DeadLettersPanelProps) {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1) ?? null;
  const ask = useCallback(() => listDeadLetters(api, cursor), [api, cursor]);
  const { value, error, refreshing, refresh } = usePolled(ask, PERIOD_MS, onUnauthorized);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [changing, setChanging] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);
  const rows = value?.rows ?? null;
  const next = value?.next ?? null;

  const change = (wanted: Change, id: string | null) => {
    setChanging(true);
    changeLetters(api, wanted, id)
      .then(
        (changed) => setOutcome({ text: words(wanted, changed.count, changed.more), isBad: false }),
        (failure: unknown) => {
          const message = failure instanceof Error ? failure.message : String(failure);
          if (failure instanceof ApiError && failure.status === 401) onUnauthorized(message);
          setOutcome({ text: `Nothing was done: ${message}`, isBad: true });
        },
      )
      .finally(() => {
        setChanging(false);
        refresh();
        // The button that had the focus may be gone with its row.
        title.current?.focus();
      });
  };

  return (
    <section className="panel" aria-labelledby="letters-title" data-testid="admin-letters">
      <div className="admin-panel-head">
        <h2 id="letters-title" ref={title} tabIndex={-1}>Dead letters</h2>
        {rows === null || rows.length === 0 ? null : (
          <>
            <button type="button" disabled={changing} onClick={() => change('redrive', null)} data-testid="redrive-all"><Icon name="refresh" /> Redrive all</button>
            <Purge label="Purge all" disabled={changing} onPurge={() => change('purge', null)} />
          </>
        )}
        <button type="button" className="icon-button" onClick={refresh} aria-label="Refresh dead letters" title="Refresh dead letters">
          <span className={refreshing ? 'turning' : undefined}><Icon name="refresh" /></span>
        </button>
      </div>
      <p className={outcome?.isBad === true ? 'admin-outcome is-bad' : 'admin-outcome'} role="status" data-testid="letters-outcome">{outcome?.text}</p>
      {error === null || isCut ? null : <p className="notice notice-bad" role="alert">{rows === null ? 'The dead letters could not be read' : 'Not up to date'}: {error}</p>}
      {rows === null && error === null ? <p className="empty">Reading…</p> : null}
      {rows !== null && rows.length === 0 ? <p className="empty" data-testid="letters-empty">{cursor === null ? 'None. Everything that was queued has reached its stream, or still may.' : 'Nothing more: what stood here is gone.'}</p> : null}
      <ol className="letters">
        {(rows ?? []).map((letter) => <Letter key={letter.id} api={api} letter={letter} disabled={changing} onChange={(wanted) => change(wanted, letter.id)} />)}
      </ol>
      {cursor === null && next === null ? null : (
        <nav className="admin-pages" aria-label="Pages of dead letters">
          <button type="button" disabled={cursor === null} onClick={() => setCursors(cursors.slice(0, -1))}>Previous</button>
          <span className="muted">Page {count(cursors.length + 1)}</span>
          <button type="button" disabled={next === null} onClick={() => next !== null && setCursors([...cursors, next])}>Next</button>
        </nav>
      )}
    </section>
  );
}

function words(change: Change, done: number, more: boolean): string {
  const rest = more ? ' There are more: do it again.' : '';
  if (change === 'purge') return `${plural(done, 'dead letter')} deleted.${rest}`;
  return `${plural(done, 'dead letter')} queued again, behind everything that waits. What fails again comes back here.${rest}`;
}

interface LetterProps {
  readonly api: Api;
  readonly letter: DeadLetter;
  readonly disabled: boolean;
  readonly onChange: (change: Change) => void;
}

function Letter({ api, letter, disabled, onChange }: LetterProps) {
  const { id, path, code, message, attempts, uncertain, acceptedAtMs, firstAttemptAtMs, failedAtMs } = letter;
  const took = firstAttemptAtMs === null || failedAtMs === null ? null : failedAtMs - firstAttemptAtMs;
  return (
    <li className="letter" data-testid="letter" data-id={id} aria-label={`Dead letter for ${path}`}>
      <p className="letter-head"><code>{path}</code> <span className="muted">{bytes(letter.bytes)} · {plural(attempts, 'attempt')}</span></p>
      <p className="letter-reason"><code>{code}</code> {message}</p>
      <dl className="letter-times">
        <Time name="Taken" at={acceptedAtMs} />
        <Time name="First tried" at={firstAttemptAtMs} />
        <Time name="Given up" at={failedAtMs} note={took === null || took < 1 ? null : `after ${duration(took)}`} />
      </dl>
      {uncertain ? <p className="letter-uncertain"><Icon name="alert" /> Nobody knows whether an attempt reached the stream: queued again, it may be there twice.</p> : null}
      <Payload api={api} id={id} />
      <p className="letter-actions">
        <button type="button" disabled={disabled} onClick={() => onChange('redrive')} data-testid="redrive"><Icon name="refresh" /> Redrive</button>
        <Purge label="Purge" disabled={disabled} onPurge={() => onChange('purge')} />
      </p>
    </li>
  );
}

function Time({ name, at, note = null }: { readonly name: string; readonly at: number | null; readonly note?: string | null }) {
  if (at === null) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd><time dateTime={new Date(at).toISOString()}>{TIME.format(at)}</time>{note === null ? null : <span className="muted"> {note}</span>}</dd>
    </div>
  );
}

/** Asks once more: what is deleted does not come back. */
function Purge({ label, disabled, onPurge }: { readonly label: string; readonly disabled: boolean; readonly onPurge: () => void }) {
  const [asking, setAsking] = useState(false);
  if (!asking) return <button type="button" disabled={disabled} onClick={() => setAsking(true)} data-testid={label === 'Purge' ? 'purge' : 'purge-all'}><Icon name="close" /> {label}</button>;
  return (
    <span className="purge" role="group" aria-label={`${label}: delete for good?`}>
      <button type="button" autoFocus onClick={() => setAsking(false)}>Keep</button>
      <button
        type="button"
        className="danger"
        disabled={disabled}
        onClick={() => {
          setAsking(false);
          onPurge();
        }}
        data-testid="purge-for-good"
      >
        Delete for good
      </button>
    </span>
  );
}

// What went through the session's terminal, and a line to write to it.

import { useSession, useSessionActions } from 'durable-sessions/react';
import type { TerminalEntry } from 'durable-sessions/store';
import { type FormEvent, type KeyboardEvent, memo, useCallback, useMemo, useRef, useState } from 'react';

import { count, plural } from '../app/format';
import { type TerminalLine, TerminalReader } from '../view/terminal';
import { EchoMark } from './Echo';
import { Icon } from './Icon';
import { Runs } from './Runs';
import { VirtualList, type VirtualListControl } from './VirtualList';

type Row = TerminalLine | (TerminalEntry & { readonly echo: NonNullable<TerminalEntry['echo']> });

const estimate = () => 19;

const Line = memo(function Line({ line }: { readonly line: TerminalLine }) {
  return (
    <div className={`term-line term-${line.source}`}>
      {line.source === 'input' ? <span className="term-prompt" aria-label="input">$ </span> : null}
      <Runs runs={line.runs} />
      {line.runs.length === 0 ? '\u00a0' : null}
    </div>
  );
});

export function TerminalPane({ session }: { readonly session: string }) {
  const entries = useSession(session, (snapshot) => snapshot.terminal);
  const [reader] = useState(() => new TerminalReader());
  const { items, dropped } = useMemo(() => reader.lines(entries), [reader, entries]);
  const echoes = useMemo(() => entries.filter((entry) => entry.echo !== null) as Row[], [entries]);
  const rows = useMemo<readonly Row[]>(() => (echoes.length === 0 ? items : [...items, ...echoes]), [items, echoes]);
  const render = useCallback(
    (row: Row) =>
      'runs' in row ? (
        <Line line={row} />
      ) : (
        <div className="term-line term-input is-echo">
          <span className="term-prompt" aria-label="input">$ </span>
          {row.text.replace(/[\r\n]+$/, '')} <EchoMark session={session} id={row.key.slice(2)} echo={row.echo} />
        </div>
      ),
    [session],
  );
  const list = useRef<VirtualListControl>(null);
  const [isFollowing, setFollowing] = useState(true);
  const followed = useCallback((following: boolean) => setFollowing(following), []);
  const toEnd = useCallback(() => list.current?.toEnd(), []);
  return (
    <section className="pane terminal" aria-labelledby="terminal-title" data-pane="terminal">
      <header className="pane-head">
        <h2 id="terminal-title">Terminal</h2>
        <span className="pane-note">{plural(items.length + dropped, 'line')}</span>
      </header>
      <div className="terminal-body">
        <VirtualList
          control={list}
          className="terminal-list"
          label="Terminal output"
          role="list"
          items={rows}
          estimate={estimate}
          render={render}
          onFollow={followed}
          header={dropped > 0 ? <p className="dropped">{count(dropped)} older lines not shown</p> : null}
          empty={<p className="empty">No terminal output yet.</p>}
        />
        {isFollowing ? null : (
          <button type="button" className="jump" onClick={toEnd}>
            <Icon name="down" /> Jump to live
          </button>
        )}
      </div>
      <TerminalInput session={session} onSent={toEnd} />
    </section>
  );
}

const INPUT_CHARS_MAX = 4_000;
const REMEMBERED_MAX = 50;

function TerminalInput({ session, onSent }: { readonly session: string; readonly onSent: () => void }) {
  const { send } = useSessionActions(session);
  const closed = useSession(session, (snapshot) => snapshot.closed);
  const [text, setText] = useState('');
  const remembered = useRef<string[]>([]);
  const [recalled, setRecalled] = useState(0);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() === '') return;
    // Its echo is shown at once, and says so if it fails.
    void send({ type: 'terminal:input', data: { data: `${text}\n`, source: 'user' } }).catch(() => undefined);
    remembered.current = [...remembered.current.slice(1 - REMEMBERED_MAX), text];
    setRecalled(0);
    setText('');
    onSent();
  };
  const recall = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
    const next = Math.min(remembered.current.length, Math.max(0, recalled + (event.key === 'ArrowUp' ? 1 : -1)));
    if (next === recalled) return;
    event.preventDefault();
    setRecalled(next);
    setText(next === 0 ? '' : (remembered.current.at(-next) ?? ''));
  };
  return (
    <form className="terminal-input" onSubmit={submit}>
      <label className="term-prompt" htmlFor="terminal-input" aria-hidden="true">$</label>
      <input
        id="terminal-input"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={recall}
        maxLength={INPUT_CHARS_MAX}
        disabled={closed}
        placeholder={closed ? 'The session is closed' : 'Write to the terminal'}
        aria-label="Write to the session's terminal"
        autoComplete="off"
        autoCapitalize="off"
        autoCorrect="off"
        spellCheck={false}
        enterKeyHint="send"
        data-testid="terminal-input"
      />
      <button type="submit" className="icon-button" disabled={closed || text.trim() === ''} aria-label="Send" title="Send (Enter)" data-testid="terminal-send"><Icon name="post" /></button>
    </form>
  );
}

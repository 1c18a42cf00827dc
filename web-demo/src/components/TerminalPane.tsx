// What went through the session's terminal.

import { memo, useCallback, useRef, useState } from 'react';

import { count, plural } from '../app/format';
import { useSlice } from '../app/use-slice';
import type { SessionStore, Snapshot } from '../store/session-store';
import type { TerminalLine } from '../store/terminal';
import { Icon } from './Icon';
import { Runs } from './Runs';
import { VirtualList, type VirtualListControl } from './VirtualList';

const select = (snapshot: Snapshot) => snapshot.terminal;
const render = (line: TerminalLine) => <Line line={line} />;
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

export function TerminalPane({ store }: { readonly store: SessionStore }) {
  const { items, dropped } = useSlice(store, select);
  const list = useRef<VirtualListControl>(null);
  const [isFollowing, setFollowing] = useState(true);
  const followed = useCallback((following: boolean) => setFollowing(following), []);
  return (
    <section className="pane terminal" aria-labelledby="terminal-title" data-pane="terminal">
      <header className="pane-head">
        <h2 id="terminal-title">Terminal</h2>
        <span className="pane-note">{plural(items.length + dropped, 'line')}</span>
      </header>
      <VirtualList
        control={list}
        className="terminal-list"
        label="Terminal output"
        role="list"
        items={items}
        estimate={estimate}
        render={render}
        onFollow={followed}
        header={dropped > 0 ? <p className="dropped">{count(dropped)} older lines not shown</p> : null}
        empty={<p className="empty">No terminal output yet.</p>}
      />
      {isFollowing ? null : (
        <button type="button" className="jump" onClick={() => list.current?.toEnd()}>
          <Icon name="down" /> Jump to live
        </button>
      )}
    </section>
  );
}

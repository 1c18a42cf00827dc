// The live timeline of the open session.

import { type Ref, useCallback, useImperativeHandle, useRef, useState } from 'react';

import { count, plural } from '../app/format';
import { useSlice } from '../app/use-slice';
import type { SessionStore, Snapshot } from '../store/session-store';
import type { TimelineRow } from '../store/timeline-items';
import { Icon } from './Icon';
import { TimelineRowView } from './TimelineRows';
import { VirtualList, type VirtualListControl } from './VirtualList';

const select = (snapshot: Snapshot) => snapshot.timeline;
const render = (row: TimelineRow, isLast: boolean) => <TimelineRowView row={row} isLast={isLast} />;

// Rough is enough: every row is measured once it has been on the screen.
function estimate(row: TimelineRow): number {
  if (row.kind === 'message') return 28 + 22 * Math.ceil(row.text.length / 80);
  if (row.kind === 'tool') return row.output === undefined ? 56 : 170;
  return row.kind === 'turn' ? 48 : 40;
}

export function Timeline({ store, control }: { readonly store: SessionStore; readonly control: Ref<VirtualListControl> }) {
  const { items, dropped } = useSlice(store, select);
  const list = useRef<VirtualListControl>(null);
  const [leftAt, setLeftAt] = useState<number | null>(null);
  const end = items.length + dropped;
  const endNow = useRef(end);
  endNow.current = end;
  const followed = useCallback((following: boolean) => setLeftAt(following ? null : endNow.current), []);
  useImperativeHandle(control, () => ({
    toEnd: () => list.current?.toEnd(),
    focusBy: (step) => list.current?.focusBy(step),
  }));
  const newer = leftAt === null ? 0 : end - leftAt;
  return (
    <section className="pane timeline" aria-labelledby="timeline-title" data-pane="timeline">
      <header className="pane-head">
        <h2 id="timeline-title">Timeline</h2>
        <span className="pane-note" data-testid="timeline-count">{plural(end, 'entry', 'entries')}</span>
      </header>
      <VirtualList
        control={list}
        className="timeline-list"
        label="Timeline of the session"
        role="feed"
        items={items}
        estimate={estimate}
        render={render}
        onFollow={followed}
        header={dropped > 0 ? <p className="dropped" data-testid="timeline-dropped">{count(dropped)} older entries not shown</p> : null}
        empty={<p className="empty">Nothing has happened in this session yet. Events appear here as they are appended.</p>}
      />
      {leftAt === null ? null : (
        <button type="button" className="jump" onClick={() => list.current?.toEnd()} data-testid="jump-to-live">
          <Icon name="down" /> Jump to live{newer > 0 ? ` · ${count(newer)} new` : ''}
        </button>
      )}
    </section>
  );
}

// The live timeline of the open session.

import { useSession, useSessionActions } from 'durable-sessions/react';
import type { TimelineItem } from 'durable-sessions/store';
import { type Ref, useCallback, useImperativeHandle, useRef, useState } from 'react';

import { plural } from '../app/format';
import type { Identity } from '../session/identity';
import { Icon } from './Icon';
import { TimelineRowView } from './TimelineRows';
import { VirtualList, type VirtualListControl } from './VirtualList';

// Rough is enough: every row is measured once it has been on the screen.
function estimate(row: TimelineItem): number {
  if (row.kind === 'message') return 28 + 22 * Math.ceil(row.text.length / 80);
  if (row.kind === 'tool') return row.output === undefined ? 56 : 170;
  return 40;
}

interface TimelineProps {
  readonly session: string;
  readonly me: Identity;
  readonly control: Ref<VirtualListControl>;
}

export function Timeline({ session, me, control }: TimelineProps) {
  const items = useSession(session, (snapshot) => snapshot.items);
  const lastOffset = useSession(session, (snapshot) => snapshot.lastOffset);
  const { trim } = useSessionActions(session);
  const list = useRef<VirtualListControl>(null);
  const [leftAt, setLeftAt] = useState<number | null>(null);
  const latest = useRef(lastOffset);
  latest.current = lastOffset;
  const followed = useCallback(
    (following: boolean) => {
      setLeftAt(following ? null : latest.current);
      // Back at the end, nobody reads what was loaded above.
      if (following) trim();
    },
    [trim],
  );
  const render = useCallback((row: TimelineItem, isLast: boolean) => <TimelineRowView session={session} me={me} row={row} isLast={isLast} />, [session, me]);
  useImperativeHandle(control, () => ({
    toEnd: () => list.current?.toEnd(),
    focusBy: (step) => list.current?.focusBy(step),
  }));
  const newer = leftAt === null ? 0 : lastOffset - leftAt;
  return (
    <section className="pane timeline" aria-labelledby="timeline-title" data-pane="timeline">
      <header className="pane-head">
        <h2 id="timeline-title">Timeline</h2>
        <span className="pane-note" data-testid="timeline-count">{plural(items.length, 'entry', 'entries')}</span>
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
        header={<Earlier session={session} />}
        empty={<p className="empty">Nothing has happened in this session yet. Events appear here as they are appended.</p>}
      />
      {leftAt === null ? null : (
        <button type="button" className="jump" onClick={() => list.current?.toEnd()} data-testid="jump-to-live">
          <Icon name="down" /> Jump to live{newer > 0 ? ` · ${plural(newer, 'new event')}` : ''}
        </button>
      )}
    </section>
  );
}

function Earlier({ session }: { readonly session: string }) {
  const before = useSession(session, (snapshot) => snapshot.truncatedCount);
  const earlier = useSession(session, (snapshot) => snapshot.earlier);
  const { loadEarlier } = useSessionActions(session);
  if (earlier === 'none') return null;
  return (
    <p className="dropped" data-testid="timeline-dropped">
      {plural(before, 'earlier event')} not shown{earlier === 'full' ? '. No more fit on this page.' : earlier === 'failed' ? ': reading failed. ' : '. '}
      {earlier === 'full' ? null : (
        <button type="button" className="link" disabled={earlier === 'loading'} onClick={() => void loadEarlier().catch(() => undefined)} data-testid="load-earlier">
          {earlier === 'loading' ? 'Reading…' : earlier === 'failed' ? 'Try again' : 'Load earlier'}
        </button>
      )}
    </p>
  );
}

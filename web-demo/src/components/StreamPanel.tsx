// Counters of the stream: events, bytes, rate, lag.

import { useSession } from 'durable-sessions/react';
import { useSyncExternalStore } from 'react';

import { bytes, count, duration, plural } from '../app/format';
import { useNow } from '../app/use-now';
import type { Network } from '../session/network';
import type { Monitor } from '../view/monitor';
import { Sparkline } from './Sparkline';

/** Older than this on arrival, an event is history that is being read, not a live one that was slow. */
const LIVE_LAG_MS_MAX = 30_000;

interface StreamPanelProps {
  readonly session: string;
  readonly monitor: Monitor;
  readonly network: Network;
}

export function StreamPanel({ session, monitor, network }: StreamPanelProps) {
  const events = useSession(session, (snapshot) => snapshot.eventCount);
  const rejected = useSession(session, (snapshot) => snapshot.rejected.count);
  const lastOffset = useSession(session, (snapshot) => snapshot.lastOffset);
  const reconnects = useSession(session, (snapshot) => snapshot.connection.reconnects);
  const before = useSession(session, (snapshot) => snapshot.truncatedCount);
  const missing = useSession(session, (snapshot) => snapshot.gaps.reduce((sum, gap) => sum + gap.missing, 0));
  const transport = useSession(session, (snapshot) => snapshot.connection.info?.transport ?? 'sse');
  const lagMs = useSyncExternalStore(monitor.subscribe, () => monitor.getSnapshot().lagMs);
  // The rate falls with time alone, and bytes come without events: so once per second as well.
  useNow(1_000);
  const series = monitor.rateSeries();
  const lastFull = series.at(-2) ?? 0;
  const peak = Math.max(...series);
  return (
    <section className="panel stream" aria-labelledby="stream-title">
      <h2 id="stream-title">Stream</h2>
      <dl className="counters">
        <Counter name="Events" value={count(events)} testid="count-events" />
        <Counter name="Bytes" value={bytes(network.bytes)} testid="count-bytes" />
        <Counter name={isHistory(lagMs) ? 'Lag (history)' : 'Lag'} value={lagMs === null ? '–' : duration(lagMs)} testid="lag" title={lagTitle(lagMs)} />
        <Counter name="Rejected" value={count(rejected)} testid="count-rejected" isBad={rejected > 0} />
      </dl>
      <div className="rate">
        <p className="agent-line">
          <span>{count(lastFull)} <span className="muted">events/s</span></span>
          <span className="muted">peak {count(peak)} in the last minute</span>
        </p>
        <Sparkline values={series} label={`Events per second over the last minute: ${lastFull} now, peak ${peak}`} />
      </div>
      <p className="muted stream-position">
        Offset <span className="mono" data-testid="last-offset">{count(lastOffset)}</span>
        {reconnects === 0 ? '' : ` · resumed ${plural(reconnects, 'time')}`}
        {transport === 'sse' ? '' : ' · by long-poll: something on the way blocks SSE'}
      </p>
      {before === 0 ? null : <p className="muted stream-position" data-testid="truncated">This page holds the events from {count(before + 1)} on; {plural(before, 'earlier one')} can be loaded above the timeline.</p>}
      {missing === 0 ? null : <p className="stream-position stream-missing" data-testid="missing">{plural(missing, 'event')} missing in between: the timeline says where.</p>}
    </section>
  );
}

function isHistory(lagMs: number | null): boolean {
  return lagMs !== null && lagMs > LIVE_LAG_MS_MAX;
}

function lagTitle(lagMs: number | null): string {
  const base = 'Age of the last event when it arrived: now minus its timestamp';
  return isHistory(lagMs) ? `${base}. It was read from history.` : base;
}

interface CounterProps {
  readonly name: string;
  readonly value: string;
  readonly testid: string;
  readonly title?: string;
  readonly isBad?: boolean;
}

function Counter({ name, value, testid, title, isBad = false }: CounterProps) {
  return (
    <div className={isBad ? 'counter is-bad' : 'counter'} title={title}>
      <dt>{name}</dt>
      <dd data-testid={testid}>{value}</dd>
    </div>
  );
}

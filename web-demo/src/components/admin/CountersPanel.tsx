// What the server does now: the figures of `durable-sessions top`.

import type { ReactNode } from 'react';

import { bytes, count, duration } from '../../app/format';
import type { Counters, Labelled, Level, Percentiles } from '../../view/counters';
import { Sparkline } from '../Sparkline';

interface CountersPanelProps {
  readonly counters: Counters | null;
  readonly appendRates: readonly number[];
  readonly error: string | null;
}

export function CountersPanel({ counters, appendRates, error }: CountersPanelProps) {
  return (
    <section className="panel" aria-labelledby="counters-title" data-testid="admin-counters">
      <h2 id="counters-title">Now <span className="muted admin-title-note">times are p50 / p99 of the last minute</span></h2>
      {error === null ? null : <p className="notice notice-bad" role="alert">{counters === null ? 'The metrics could not be read' : 'Not up to date'}: {error}</p>}
      {counters === null ? error === null ? <p className="empty">Measuring: rates need a second look…</p> : null : <Groups counters={counters} appendRates={appendRates} />}
    </section>
  );
}

function Groups({ counters: it, appendRates }: { readonly counters: Counters; readonly appendRates: readonly number[] }) {
  const trouble = it.overloadedPerSecond > 0 || it.appendRetriesPerSecond > 0;
  return (
    <div className="admin-groups">
      <Group name="Appends">
        <Row name="Rate" value={`${perSecond(it.appendsPerSecond)}, ${bytes(Math.round(it.appendBytesPerSecond))}/s`} testid="appends-rate" />
        <Row name="Latency" value={percentiles(it.appendSeconds)} />
        <Row name="Commit" value={percentiles(it.commitSeconds)} />
        <Row name="fsync" value={percentiles(it.fsyncSeconds)} testid="fsync" />
        <Sparkline values={appendRates} label={`Appends per second lately: ${Math.round(it.appendsPerSecond)} now, at most ${Math.round(Math.max(0, ...appendRates))}`} />
      </Group>
      <Group name="Store">
        <Bar name="Queue" level={it.queue} testid="queue-depth" />
        <Row name="Retries" value={perSecond(it.appendRetriesPerSecond)} isBad={trouble} testid="append-retries" />
        <Row name="Overloaded" value={perSecond(it.overloadedPerSecond)} isBad={trouble} />
        <Row name="Failed commits" value={count(it.failedCommits)} isBad={it.failedCommits > 0} />
        <Row name="Streams" value={count(it.streams)} />
      </Group>
      <Group name="Subscribers">
        <Bar name="Open" level={it.subscribers} testid="subscribers-open" />
        <Row name="Streams followed" value={count(it.followedStreams)} />
        <Row name="Behind" value={it.lagging === 0 ? 'none' : `${count(it.lagging)}, at most by ${count(it.lagMax)}`} testid="lagging" />
        <Row name="Catch-ups" value={perSecond(it.catchUpsPerSecond)} />
        <Row name="Frames kept" value={bytes(it.ringBytes)} />
        <Bar name="Unsent" level={it.unsent} format={bytes} />
        <Row name="Cut" value={labelled(it.evicted)} isBad={it.evicted.length > 0} />
      </Group>
      <Group name="Queued appends">
        <Row name="Waiting" value={it.queuedAppends === 0 ? 'none' : `${count(it.queuedAppends)}, ${bytes(it.queuedBytes)}`} testid="queued-waiting" />
        <Row name="Taken" value={perSecond(it.queuedInPerSecond)} />
        <Row name="Delivered" value={perSecond(it.queuedOutPerSecond)} />
        <Row name="Retries" value={perSecond(it.queuedRetriesPerSecond)} isBad={it.queuedRetriesPerSecond > 0} testid="queued-retries" />
        <Row name="Dead letters" value={count(it.deadLettersKept)} isBad={it.deadLettersKept > 0} testid="dead-letters-kept" />
      </Group>
      <Group name="Requests">
        <Row name="Rate" value={perSecond(it.requestsPerSecond)} />
        <Bar name="Connections" level={it.connections} />
        <Row name="Errors" value={labelled(it.errors)} />
        <Row name="Rejected events" value={labelled(it.rejectedEvents)} />
        <Row name="Refused" value={labelled(it.authRefusals)} />
        <Row name="Version" value={it.version} />
      </Group>
    </div>
  );
}

function Group({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <section className="admin-group">
      <h3>{name}</h3>
      {children}
    </section>
  );
}

interface RowProps {
  readonly name: string;
  readonly value: string;
  readonly isBad?: boolean;
  readonly testid?: string | undefined;
}

function Row({ name, value, isBad = false, testid }: RowProps) {
  return (
    <p className={isBad ? 'admin-row is-bad' : 'admin-row'}>
      <span>{name}</span> <span className="admin-value" data-testid={testid}>{value}</span>
    </p>
  );
}

function Bar({ name, level: { now, max }, format = count, testid }: { readonly name: string; readonly level: Level; readonly format?: (value: number) => string; readonly testid?: string | undefined }) {
  return (
    <div>
      <Row name={name} value={`${format(now)} of ${format(max)}`} isBad={max > 0 && now >= max * 0.9} testid={testid} />
      <progress value={Math.min(now, max)} max={Math.max(1, max)} aria-label={`${name}: ${format(now)} of ${format(max)}`} />
    </div>
  );
}

function perSecond(value: number): string {
  return `${value >= 10 || Number.isInteger(value) ? count(Math.round(value)) : value.toFixed(1)}/s`;
}

function percentiles({ p50, p99 }: Percentiles): string {
  return p50 === null || p99 === null ? '–' : `${precise(p50)} / ${precise(p99)}`;
}

/** Syncs take parts of a millisecond on good disks. */
function precise(seconds: number): string {
  const ms = seconds * 1_000;
  return ms < 10 ? `${ms.toFixed(2)} ms` : duration(ms);
}

function labelled(counts: readonly Labelled[]): string {
  return counts.length === 0 ? 'none' : counts.map(([label, times]) => `${label} ${count(times)}`).join(', ');
}

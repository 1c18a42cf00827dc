// One tool call: what was called, with what, what came back, how long it took.

import type { ToolCallItem } from 'durable-sessions/store';
import { memo, useMemo } from 'react';

import { count, duration, plural } from '../app/format';
import { useNow } from '../app/use-now';
import { numberField } from '../session/fields';
import { linesOf } from '../view/terminal';
import { useExpanded } from './expansion';
import { Icon } from './Icon';
import { Runs } from './Runs';
import { argumentsOf, clip, diffClass, isDiff, textOf } from './tool-text';

const STATUS_WORDS = { pending: 'pending', running: 'running', complete: 'done', error: 'failed' } as const;

export const ToolItem = memo(function ToolItem({ row }: { readonly row: ToolCallItem }) {
  const { headline, rest } = useMemo(() => argumentsOf(row.input), [row.input]);
  const output = useMemo(() => textOf(row.output), [row.output]);
  // A field of producers that run commands.
  const exitCode = numberField(row.record.data as unknown as Record<string, unknown>, 'exitCode');
  return (
    <div role="group" className={`tool tool-${row.status}`} data-testid="tool" data-call={row.callId} data-status={row.status} aria-label={`Tool ${row.tool}, ${STATUS_WORDS[row.status]}`}>
      <div className="tool-head">
        <Icon name="tool" />
        <span className="tool-name">{row.tool}</span>
        <span className="tool-headline" title={headline}>{withoutName(headline, row.tool)}</span>
        <ToolTime row={row} />
        <span className={`chip chip-${row.status}`}>{STATUS_WORDS[row.status]}{row.status === 'error' && exitCode !== null ? ` · exit ${exitCode}` : ''}</span>
      </div>
      {rest === '' ? null : <LongText id={`${row.key}:in`} label="Arguments" text={rest} />}
      {output === '' ? null : <LongText id={`${row.key}:out`} label="Output" text={output} ansi />}
      {output === '' && row.status === 'complete' ? <p className="tool-silent">No output</p> : null}
    </div>
  );
});

/** Recorded runs name the tool after the command's first word: it need not stand there twice. */
function withoutName(headline: string, tool: string): string {
  return headline.startsWith(`${tool} `) ? headline.slice(tool.length + 1) : headline === tool ? '' : headline;
}

function ToolTime({ row }: { readonly row: ToolCallItem }) {
  const isRunning = row.status === 'running' && row.startedAt !== null;
  const now = useNow(1_000, isRunning);
  const measured = row.startedAt === null || row.endedAt === null ? null : Math.abs(row.endedAt - row.startedAt);
  const known = row.durationMs ?? measured;
  if (known !== null) {
    const isMeasured = row.durationMs === null;
    return <span className="tool-time" title={isMeasured ? 'Between the two events; the producer gave no duration' : 'As the producer measured it'}>{isMeasured ? '≈ ' : ''}{duration(known)}</span>;
  }
  if (!isRunning) return null;
  const elapsed = row.elapsedSeconds === null ? now - (row.startedAt ?? now) : row.elapsedSeconds * 1_000;
  return <span className="tool-time">{elapsed < 1_000 ? '' : duration(Math.floor(elapsed / 1_000) * 1_000)}</span>;
}

interface LongTextProps {
  readonly id: string;
  readonly label: string;
  readonly text: string;
  readonly ansi?: boolean;
}

function LongText({ id, label, text, ansi = false }: LongTextProps) {
  const [showAll, toggle] = useExpanded(id);
  const { head, tail, lines, linesHidden, isLong, beyond } = useMemo(() => clip(text, showAll), [text, showAll]);
  const diff = useMemo(() => ansi && isDiff(text), [ansi, text]);
  const part = (shown: string) => (ansi ? <AnsiText text={shown} diff={diff} /> : shown);
  return (
    <div className="long-text">
      <pre aria-label={label} tabIndex={0}>
        {part(head)}
        {tail === null ? null : (
          <>
            <span className="long-gap">{`⋯ ${count(linesHidden)} more lines ⋯`}</span>
            {part(tail)}
          </>
        )}
      </pre>
      {isLong ? (
        <button type="button" className="link" onClick={toggle} aria-expanded={showAll}>
          {showAll ? 'Show less' : `Show all (${plural(lines, 'line')})`}
        </button>
      ) : null}
      {beyond > 0 ? <p className="tool-silent">{count(beyond)} more characters are not shown</p> : null}
    </div>
  );
}

const AnsiText = memo(function AnsiText({ text, diff }: { readonly text: string; readonly diff: boolean }) {
  const lines = useMemo(() => linesOf(text), [text]);
  return lines.map((runs, i) => (
    <span key={i} className={diff ? diffClass(runs[0]?.text ?? '') : undefined}>
      <Runs runs={runs} />
      {i < lines.length - 1 ? '\n' : null}
    </span>
  ));
});

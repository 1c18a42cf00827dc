// One row of the timeline: time, marker, and what happened.

import type { EventItem, GapItem, MessageItem, TimelineItem } from 'durable-sessions/store';
import { useSessionActions } from 'durable-sessions/react';
import { memo } from 'react';

import { clock, plural } from '../app/format';
import type { Identity } from '../session/identity';
import { numberField } from '../session/fields';
import { noteFor } from '../view/notes';
import { RowApproval } from './Approvals';
import { EchoMark } from './Echo';
import { RichText } from './RichText';
import { ToolItem } from './ToolItem';

interface RowProps {
  readonly session: string;
  readonly me: Identity;
  readonly row: TimelineItem;
  readonly isLast: boolean;
}

const TURN_TYPES: ReadonlySet<string> = new Set(['agent:turn', 'container-agent:turn']);

/** How a row is drawn: events are notes, and turns are headings. */
function styleOf(row: TimelineItem): 'message' | 'tool' | 'note' | 'turn' | 'gap' {
  if (row.kind !== 'event') return row.kind;
  return TURN_TYPES.has(row.record.type) ? 'turn' : 'note';
}

function markOf(row: TimelineItem): string {
  if (row.kind === 'tool') return `mark-${row.status}`;
  if (row.kind === 'gap') return 'tone-warn';
  return row.kind === 'event' ? `tone-${noteFor(row.record).tone}` : '';
}

export const TimelineRowView = memo(function TimelineRowView({ session, me, row, isLast }: RowProps) {
  const style = styleOf(row);
  return (
    <div className={`row row-${style}`} data-testid={`row-${style}`}>
      <time className="row-time" dateTime={new Date(row.timestamp).toISOString()}>{clock(row.timestamp)}</time>
      <span className={`row-mark ${markOf(row)}`} aria-hidden="true" />
      <div className="row-body">
        {row.kind === 'message' ? <Message row={row} isLast={isLast} /> : null}
        {row.kind === 'tool' ? <ToolItem row={row} /> : null}
        {row.kind === 'gap' ? <Gap session={session} row={row} /> : null}
        {row.kind !== 'event' ? null : style === 'turn' ? <Turn row={row} /> : <Note session={session} me={me} row={row} />}
      </div>
    </div>
  );
});

function Message({ row, isLast }: { readonly row: MessageItem; readonly isLast: boolean }) {
  return (
    <div className={`message message-${row.role}${isLast ? ' is-last' : ''}`}>
      {row.role === 'assistant' ? null : <p className="message-role">{row.role}</p>}
      <RichText text={row.text} />
    </div>
  );
}

const PLAN_TYPES: ReadonlySet<string> = new Set(['agent:plan_ready', 'container-agent:plan_ready']);

function Note({ session, me, row }: { readonly session: string; readonly me: Identity; readonly row: EventItem }) {
  const { type, id } = row.record;
  const { title, detail, tone } = noteFor(row.record);
  return (
    <div className={`note tone-${tone}${row.echo === null ? '' : ' is-echo'}`}>
      <span className="note-title">{title}</span>
      {detail === null ? null : PLAN_TYPES.has(type) ? <RichText text={detail} /> : <span className="note-detail">{detail}</span>}
      {row.echo === null ? <code className="note-type">{type}</code> : <EchoMark session={session} id={id} echo={row.echo} />}
      {type === 'approval:requested' && row.echo === null ? <RowApproval session={session} me={me} request={row} /> : null}
    </div>
  );
}

function Turn({ row }: { readonly row: EventItem }) {
  const data = row.record.data as unknown as Record<string, unknown>;
  const maxTurns = numberField(data, 'maxTurns');
  return (
    <h3 className="turn">
      Turn {numberField(data, 'turn')}
      {maxTurns === null ? null : <span className="turn-max"> of {maxTurns}</span>}
    </h3>
  );
}

const GAP_WORDS = {
  waiting: 'They will be read from history.',
  reading: 'Reading them from history…',
  open: 'They could not be read',
  gone: 'The server no longer has them.',
} as const;

function Gap({ session, row }: { readonly session: string; readonly row: GapItem }) {
  const { repairGaps } = useSessionActions(session);
  return (
    <div className="note tone-warn">
      <span className="note-title">{plural(row.missing, 'event')} missing</span>
      <span className="note-detail">{GAP_WORDS[row.state]}{row.state === 'open' ? (row.failure === null ? '.' : `: ${row.failure}.`) : ''}</span>
      {row.state === 'open' ? <button type="button" className="link" onClick={repairGaps}>Try again</button> : <code className="note-type">{row.cause}</code>}
    </div>
  );
}

// One row of the timeline: time, marker, and what happened.

import { memo } from 'react';

import { clock } from '../app/format';
import type { MessageRow, NoteRow, TimelineRow, TurnRow } from '../store/timeline-items';
import { RichText } from './RichText';
import { ToolItem } from './ToolItem';

export const TimelineRowView = memo(function TimelineRowView({ row, isLast }: { readonly row: TimelineRow; readonly isLast: boolean }) {
  return (
    <div className={`row row-${row.kind}`} data-testid={`row-${row.kind}`}>
      <time className="row-time" dateTime={new Date(row.timestamp).toISOString()}>{clock(row.timestamp)}</time>
      <span className={`row-mark ${row.kind === 'note' ? `tone-${row.tone}` : row.kind === 'tool' ? `mark-${row.status}` : ''}`} aria-hidden="true" />
      <div className="row-body">{body(row, isLast)}</div>
    </div>
  );
});

function body(row: TimelineRow, isLast: boolean) {
  switch (row.kind) {
    case 'message':
      return <Message row={row} isLast={isLast} />;
    case 'tool':
      return <ToolItem row={row} />;
    case 'note':
      return <Note row={row} />;
    case 'turn':
      return <Turn row={row} />;
  }
}

function Message({ row, isLast }: { readonly row: MessageRow; readonly isLast: boolean }) {
  return (
    <div className={`message message-${row.role}${isLast ? ' is-last' : ''}`}>
      {row.role === 'assistant' ? null : <p className="message-role">{row.role}</p>}
      <RichText text={row.text} />
    </div>
  );
}

const PLAN_TYPES: ReadonlySet<string> = new Set(['agent:plan_ready', 'container-agent:plan_ready']);

function Note({ row }: { readonly row: NoteRow }) {
  return (
    <div className={`note tone-${row.tone}`}>
      <span className="note-title">{row.title}</span>
      {row.detail === null ? null : PLAN_TYPES.has(row.type) ? <RichText text={row.detail} /> : <span className="note-detail">{row.detail}</span>}
      <code className="note-type">{row.type}</code>
    </div>
  );
}

function Turn({ row }: { readonly row: TurnRow }) {
  return (
    <h3 className="turn">
      Turn {row.turn}
      {row.maxTurns === null ? null : <span className="turn-max"> of {row.maxTurns}</span>}
    </h3>
  );
}

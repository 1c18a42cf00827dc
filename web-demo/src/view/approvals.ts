// Which requested approvals have been decided. A decision names the request by its payload's `approvalId`, or by task.

import type { EventItem } from 'durable-sessions/store';

import { objectField, textField } from '../session/fields';

export type Decision = 'approved' | 'rejected';

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (item: EventItem): Fields => item.record.data as unknown as Fields;

/** What a request and its decision have in common. */
export function subjectOf(item: EventItem): string {
  const data = fieldsOf(item);
  const payload = objectField(data, 'payload') ?? {};
  return textField(payload, 'approvalId') ?? textField(payload, 'id') ?? textField(data, 'taskId') ?? '';
}

/** The decision of a request, echoes of this page's own included; null while it waits for one. */
export function decisionOf(workflow: readonly EventItem[], request: EventItem): Decision | null {
  const subject = subjectOf(request);
  for (const item of workflow) {
    if (item.offset <= request.offset || item.echo?.state === 'failed' || subjectOf(item) !== subject) continue;
    if (item.record.type === 'approval:approved') return 'approved';
    if (item.record.type === 'approval:rejected') return 'rejected';
    // Asked again: what comes later answers that.
    if (item.record.type === 'approval:requested') return null;
  }
  return null;
}

/** The latest request that waits for a decision. */
export function waitingApproval(workflow: readonly EventItem[]): EventItem | null {
  return workflow.findLast((item) => item.record.type === 'approval:requested' && item.echo === null && decisionOf(workflow, item) === null) ?? null;
}

export function decide(request: EventItem, decision: Decision, actor: string) {
  const data = fieldsOf(request);
  const payload = objectField(data, 'payload') ?? {};
  const taskId = textField(data, 'taskId');
  const approvalId = textField(payload, 'approvalId') ?? textField(payload, 'id');
  return {
    type: `approval:${decision}` as const,
    data: { ...(taskId === null ? {} : { taskId }), actor, payload: approvalId === null ? {} : { approvalId } },
  };
}

export function titleOf(request: EventItem): string {
  const payload = objectField(fieldsOf(request), 'payload') ?? {};
  return textField(payload, 'title') ?? textField(payload, 'message') ?? textField(payload, 'reason') ?? subjectOf(request);
}

// Approving or rejecting what an agent asks for: the latest request above the terminal as long as it waits, older ones in
// their rows.

import { useSession, useSessionActions } from 'durable-sessions/react';
import type { EventItem } from 'durable-sessions/store';

import type { Identity } from '../session/identity';
import { decide, type Decision, decisionOf, titleOf, waitingApproval } from '../view/approvals';
import { Icon } from './Icon';

interface ApprovalProps {
  readonly session: string;
  readonly me: Identity;
  readonly request: EventItem;
}

/** The buttons of a request's row, unless the bar has them. */
export function RowApproval({ session, me, request }: ApprovalProps) {
  const isInBar = useSession(session, (snapshot) => waitingApproval(snapshot.workflow)?.key === request.key);
  return isInBar ? null : <ApprovalButtons session={session} me={me} request={request} />;
}

/** The buttons of a request; nothing once it is decided, which the row of the decision says. */
function ApprovalButtons({ session, me, request }: ApprovalProps) {
  const decision = useSession(session, (snapshot) => decisionOf(snapshot.workflow, request));
  const closed = useSession(session, (snapshot) => snapshot.closed);
  const { send } = useSessionActions(session);
  if (decision !== null || closed) return null;
  // What becomes of it is shown by the echo: there is nothing to wait for here.
  const answer = (made: Decision) => void send(decide(request, made, me.displayName)).catch(() => undefined);
  return (
    <span className="approval-buttons" role="group" aria-label={`Decide: ${titleOf(request)}`}>
      <button type="button" className="primary" onClick={() => answer('approved')} data-testid="approve"><Icon name="check" /> Approve</button>
      <button type="button" onClick={() => answer('rejected')} data-testid="reject"><Icon name="close" /> Reject</button>
    </span>
  );
}

export function ApprovalBar({ session, me }: Omit<ApprovalProps, 'request'>) {
  const request = useSession(session, (snapshot) => waitingApproval(snapshot.workflow));
  const closed = useSession(session, (snapshot) => snapshot.closed);
  if (request === null || closed) return null;
  return (
    <div className="approval-bar" role="status" data-testid="approval-bar">
      <Icon name="alert" />
      <span className="approval-text"><strong>The agent waits for approval</strong> <span>{titleOf(request)}</span></span>
      <ApprovalButtons session={session} me={me} request={request} />
    </div>
  );
}

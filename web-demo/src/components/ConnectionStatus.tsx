// The connection state in the header, and the banner that explains it when something is wrong.

import { useConnection } from 'durable-sessions/react';

import { useNow } from '../app/use-now';
import { lostReason, sentence, shortState, spokenState } from './connection-words';
import { Icon } from './Icon';

export function ConnectionPill({ session }: { readonly session: string }) {
  const connection = useConnection(session);
  const now = useNow(250, connection.nextAttemptAt !== null);
  return (
    <>
      <span className={`pill pill-${connection.state}`} data-testid="connection-state" data-state={connection.state} data-attempt={connection.info?.attempt ?? 0}>
        <span className="pill-dot" aria-hidden="true" />
        {shortState(connection, now)}
      </span>
      <span className="visually-hidden" role="status" aria-live="polite">{spokenState(connection)}</span>
    </>
  );
}

interface BannerProps {
  readonly session: string;
  readonly isCut: boolean;
  readonly onRestore: () => void;
}

export function ConnectionBanner({ session, isCut, onRestore }: BannerProps) {
  const { state, info, lost, reconnect } = useConnection(session);
  const cause = info?.cause ?? null;
  if (state === 'lost') {
    return (
      <div className="banner banner-lost" data-testid="connection-lost">
        <Icon name="alert" />
        <div className="banner-text">
          <strong>Connection lost</strong>
          <span>{sentence(lost === null ? (cause ?? 'the client gave up') : lostReason(lost))}</span>
          <span className="banner-aside">No request leaves until you ask for one. Reconnecting resumes where the stream stopped.</span>
        </div>
        <button
          type="button"
          className="primary"
          data-testid="reconnect"
          onClick={() => {
            if (isCut) onRestore();
            reconnect();
          }}
        >
          <Icon name="refresh" /> {isCut ? 'Restore and reconnect' : 'Reconnect'}
        </button>
      </div>
    );
  }
  if (state === 'closed') {
    return (
      <div className="banner banner-closed">
        <Icon name="check" />
        <div className="banner-text"><span>The stream is closed. Every event has been delivered.</span></div>
      </div>
    );
  }
  if (state !== 'reconnecting' && !isCut) return null;
  return (
    <div className="banner banner-waiting" data-testid="connection-waiting">
      <Icon name="bolt" />
      <div className="banner-text">
        <span>{isCut ? 'The network is cut by the button on this page.' : sentence(cause ?? 'the connection dropped')} What has arrived stays; the stream resumes after the last event.</span>
      </div>
      {isCut ? (
        <button type="button" onClick={onRestore}>Restore network</button>
      ) : (
        <button type="button" onClick={reconnect} data-testid="try-now">Try now</button>
      )}
    </div>
  );
}

// The connection state in the header, and the banner that explains it when something is wrong.

import { useNow, useSlice } from '../app/use-slice';
import type { SessionStore, Snapshot } from '../store/session-store';
import { sentence, shortState, spokenState } from './connection-words';
import { Icon } from './Icon';

const select = (snapshot: Snapshot) => snapshot.connection;

export function ConnectionPill({ store }: { readonly store: SessionStore }) {
  const connection = useSlice(store, select);
  const now = useNow(250, connection.nextAttemptAt !== null);
  return (
    <>
      <span className={`pill pill-${connection.word}`} data-testid="connection-state" data-state={connection.word} data-attempt={connection.attempt}>
        <span className="pill-dot" aria-hidden="true" />
        {shortState(connection, now)}
      </span>
      <span className="visually-hidden" role="status" aria-live="polite">{spokenState(connection)}</span>
    </>
  );
}

interface BannerProps {
  readonly store: SessionStore;
  readonly isCut: boolean;
  readonly onReconnect: () => void;
  readonly onRestore: () => void;
}

export function ConnectionBanner({ store, isCut, onReconnect, onRestore }: BannerProps) {
  const connection = useSlice(store, select);
  const { word, cause, lostReason } = connection;
  if (word === 'lost') {
    return (
      <div className="banner banner-lost" data-testid="connection-lost">
        <Icon name="alert" />
        <div className="banner-text">
          <strong>Connection lost</strong>
          <span>{sentence(lostReason ?? cause ?? 'the client gave up')}</span>
          <span className="banner-aside">No request leaves until you ask for one. Reconnecting resumes where the stream stopped.</span>
        </div>
        <button
          type="button"
          className="primary"
          data-testid="reconnect"
          onClick={() => {
            if (isCut) onRestore();
            onReconnect();
          }}
        >
          <Icon name="refresh" /> {isCut ? 'Restore and reconnect' : 'Reconnect'}
        </button>
      </div>
    );
  }
  if (word === 'closed') {
    return (
      <div className="banner banner-closed">
        <Icon name="check" />
        <div className="banner-text"><span>The stream is closed. Every event has been delivered.</span></div>
      </div>
    );
  }
  if (word !== 'reconnecting' && !isCut) return null;
  return (
    <div className="banner banner-waiting" data-testid="connection-waiting">
      <Icon name="bolt" />
      <div className="banner-text">
        <span>{isCut ? 'The network is cut by the button on this page.' : sentence(cause ?? 'the connection dropped')} What has arrived stays; the stream resumes after the last event.</span>
      </div>
      {isCut ? (
        <button type="button" onClick={onRestore}>Restore network</button>
      ) : (
        <button type="button" onClick={onReconnect} data-testid="try-now">Try now</button>
      )}
    </div>
  );
}

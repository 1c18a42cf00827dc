// Says that a user is there: join, the newest cursor, heartbeats, leave. Must not know events.
import type { CursorPosition } from './generated/types.js';
import { isPassing } from './backoff.js';
import type { RequestSettings } from './request.js';
import { refusal, request } from './request.js';
import type { PresenceIdentity, PresenceLease, PresentUser, SessionHandle, SessionPresence } from './session-types.js';
import type { FetchInit } from './types.js';

// A third of what the server waits.
const HEARTBEAT_MS = 20_000;

const ignore = () => undefined;

/** What a session keeps for its presence, and the presence as soon as somebody has asked for it. */
export interface PresenceSeat {
  readonly settings: RequestSettings;
  readonly url: string;
  readonly connectionId: string;
  /** The least time between two updates. */
  readonly cursorMs: number;
  presence?: SessionPresence;
}

/** Who is in a session, and that this user is: the same for a session at each call. The session's `close()` leaves. */
export function presenceOf<E>(session: SessionHandle<E>): SessionPresence {
  const seat = session.presenceSeat as PresenceSeat;
  return (seat.presence ??= createPresence(seat));
}

function createPresence({ settings, url, connectionId, cursorMs }: PresenceSeat): SessionPresence {
  const { clock } = settings;
  const target = globalThis as Partial<Pick<typeof globalThis, 'addEventListener' | 'removeEventListener'>>;
  let joined: (PresenceIdentity & { connectionId: string; cursor?: CursorPosition; activeFile?: string }) | null = null;
  let heartbeat: unknown;
  let update: unknown;
  let isUnderWay = false;

  const call = async (method: string, init?: Partial<FetchInit>, headers = settings.headers): Promise<unknown> => {
    const answer = await request({ ...settings, headers }, url, method, { 'Content-Type': 'application/json' }, init);
    if (answer.status >= 300) {
      throw refusal(answer);
    }
    return (JSON.parse(answer.body) as { data: unknown }).data;
  };
  const stop = () => {
    clock.clearTimeout(heartbeat as never);
    clock.clearTimeout(update as never);
    update = undefined;
    joined = null;
    target.removeEventListener?.('pagehide', goodbye);
    target.removeEventListener?.('pageshow', beat);
  };
  const say = async (action: string): Promise<unknown> => {
    const me = joined;
    clock.clearTimeout(heartbeat as never);
    heartbeat = clock.setTimeout(beat, HEARTBEAT_MS);
    try {
      // All of it each time: where the server has forgotten the user, this joins again.
      return await call('POST', { body: JSON.stringify({ action, ...me }), keepalive: action === 'leave' }, async () => {
        const fields = await settings.headers();
        // What waits for a token must not bring back who has left, or has joined as another, meanwhile.
        if (action !== 'leave' && me !== joined) {
          throw new Error('left, or joined anew, meanwhile');
        }
        return fields;
      });
    } catch (error) {
      const { status } = error as { status?: number | null };
      if (me === joined && status && !isPassing(status)) {
        stop();
      }
      throw error;
    }
  };
  // The next one tries again.
  const beat = () => void say('heartbeat').catch(ignore);
  // Not the end of it: a page that comes back from the browser's cache joins again, by a heartbeat.
  const goodbye = () => void say('leave').catch(ignore);
  const move = () => {
    if (isUnderWay) {
      update = clock.setTimeout(move, cursorMs);
      return;
    }
    update = undefined;
    isUnderWay = true;
    void say('update')
      .catch(ignore)
      .finally(() => {
        isUnderWay = false;
      });
  };

  return {
    join: (identity) => {
      joined = { ...identity, connectionId };
      target.addEventListener?.('pagehide', goodbye);
      target.addEventListener?.('pageshow', beat);
      return say('join') as Promise<PresenceLease>;
    },
    cursor: (cursor, activeFile) => {
      if (joined !== null) {
        joined = Object.assign(joined, { cursor }, activeFile === undefined ? null : { activeFile });
        update ??= clock.setTimeout(move, cursorMs);
      }
    },
    leave: async () => {
      if (joined !== null) {
        const left = say('leave');
        stop();
        await left;
      }
    },
    list: async () => ((await call('GET')) as { presence: PresentUser[] }).presence,
  };
}

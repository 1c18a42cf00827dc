// Who is there: users with their connections, each gone some time after it was last heard of. Must not know HTTP.
import type { CursorPosition } from '../generated/types.js';
import type { PresentUser } from '../session-types.js';
import type { TestClock } from './clock.js';

/** Without a word for so long a connection is gone. */
const STALE_MS = 60_000;

export interface PresenceWord {
  action: 'join' | 'update' | 'leave' | 'heartbeat';
  userId: string;
  connectionId: string;
  displayName?: string;
  avatarUrl?: string;
  cursor?: CursorPosition;
  activeFile?: string;
}

interface Connection {
  word: PresenceWord;
  joinedAt: number;
  lastSeenAt: number;
  timer: number;
}

export class PresenceTable {
  readonly #clock: TestClock;
  readonly #announce: (type: string, data: Record<string, unknown>) => void;
  readonly #users = new Map<string, Map<string, Connection>>();

  /** `announce` is told of joins, leaves and timeouts of users, not of connections; and of every move. */
  constructor(clock: TestClock, announce: (type: string, data: Record<string, unknown>) => void) {
    this.#clock = clock;
    this.#announce = announce;
  }

  /** Returns when the connection will be gone. */
  hear(word: PresenceWord): number {
    const { userId, connectionId, action } = word;
    const now = this.#clock.Date.now();
    const connections = this.#users.get(userId) ?? new Map<string, Connection>();
    const known = connections.get(connectionId);
    this.#clock.clearTimeout(known?.timer);
    if (action === 'leave') {
      if (known !== undefined) {
        this.#gone(userId, connectionId, 'presence:left');
      }
      return now;
    }
    const whole = { ...known?.word, ...word };
    if (connections.size === 0) {
      this.#users.set(userId, connections);
      this.#announce('presence:joined', identity(word));
    } else {
      const { cursor, activeFile } = whole;
      this.#announce('presence:cursor', { ...identity(whole), ...(cursor && { cursor }), ...(activeFile !== undefined && { activeFile }) });
    }
    connections.set(connectionId, {
      word: whole,
      joinedAt: known?.joinedAt ?? now,
      lastSeenAt: now,
      timer: this.#clock.setTimeout(() => this.#gone(userId, connectionId, 'presence:timeout'), STALE_MS),
    });
    return now + STALE_MS;
  }

  list(): PresentUser[] {
    return [...this.#users].map(([userId, connections]) => {
      const all = [...connections.values()];
      const latest = all.reduce((a, b) => (b.lastSeenAt >= a.lastSeenAt ? b : a));
      const { cursor = null, activeFile = null } = latest.word;
      return {
        ...identity(latest.word),
        userId,
        cursor,
        activeFile,
        joinedAt: Math.min(...all.map(({ joinedAt }) => joinedAt)),
        lastSeenAt: latest.lastSeenAt,
        connections: all.length,
      };
    });
  }

  #gone(userId: string, connectionId: string, type: string): void {
    const connections = this.#users.get(userId);
    const word = connections?.get(connectionId)?.word;
    connections?.delete(connectionId);
    if (connections?.size === 0 && word !== undefined) {
      this.#users.delete(userId);
      this.#announce(type, identity(word));
    }
  }
}

function identity({ userId, displayName, avatarUrl }: PresenceWord) {
  return { userId, ...(displayName !== undefined && { displayName }), ...(avatarUrl !== undefined && { avatarUrl }) };
}

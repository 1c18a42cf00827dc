// Who is here. Whoever left or timed out is removed. Must not know where events come from: they may be applied in any
// order, because history is read after the fact, and the latest word about a user counts.

import type { PresenceRecord } from '../generated/types.js';
import type { UserView } from './types.js';

const USERS_MAX = 1_000;
const GONE_MAX = 1_000;

export class Presence {
  readonly #users = new Map<string, { user: UserView; offset: number }>();
  /** Who left, and at which offset: an older event about them that is read later must not bring them back. */
  readonly #gone = new Map<string, number>();
  #snapshot: readonly UserView[] = [];
  #dirty = false;

  snapshot(): readonly UserView[] {
    if (this.#dirty) this.#snapshot = [...this.#users.values()].map(({ user }) => user);
    this.#dirty = false;
    return this.#snapshot;
  }

  apply(record: PresenceRecord): void {
    const { userId, action, displayName, avatarUrl, cursor, activeFile, timestamp } = record.data;
    const { offset } = record;
    const known = this.#users.get(userId);
    const isOld = offset < (known?.offset ?? this.#gone.get(userId) ?? 0);
    if (action === 'left' || action === 'timeout') {
      if (isOld) return;
      this.#gone.delete(userId);
      this.#gone.set(userId, offset);
      forgetOldest(this.#gone, GONE_MAX);
      if (this.#users.delete(userId)) this.#dirty = true;
      return;
    }
    // About someone who has left since. Cursors that are told in passing have the offset of what was stored last: the word that their
    // user left, where they come behind it.
    if (known === undefined && (isOld || (action === 'cursor' && offset === this.#gone.get(userId)))) return;
    const a = known?.user;
    const user: UserView = isOld
      ? { ...a as UserView, displayName: a?.displayName ?? displayName ?? null, avatarUrl: a?.avatarUrl ?? avatarUrl ?? null, activeFile: a?.activeFile ?? activeFile ?? null }
      : {
          userId,
          displayName: displayName ?? a?.displayName ?? null,
          avatarUrl: avatarUrl ?? a?.avatarUrl ?? null,
          cursor: cursor ?? a?.cursor ?? null,
          activeFile: activeFile ?? a?.activeFile ?? null,
          seenAt: timestamp,
        };
    this.#gone.delete(userId);
    this.#users.set(userId, { user, offset: isOld ? (known?.offset ?? offset) : offset });
    forgetOldest(this.#users, USERS_MAX);
    this.#dirty = true;
  }
}

function forgetOldest(map: Map<string, unknown>, max: number): void {
  if (map.size <= max) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

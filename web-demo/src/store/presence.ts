// Who is here. A user who left or timed out is removed; a cursor alone also counts as being here.

import { objectField, type SessionEvent, textField } from '../session/events';

export const PRESENT_USERS_MAX = 200;

export interface PresentUser {
  readonly userId: string;
  readonly displayName: string | null;
  readonly activeFile: string | null;
  readonly hasCursor: boolean;
}

export class Presence {
  readonly #users = new Map<string, PresentUser>();
  #snapshot: readonly PresentUser[] | null = null;

  snapshot(): readonly PresentUser[] {
    this.#snapshot ??= [...this.#users.values()];
    return this.#snapshot;
  }

  apply(event: SessionEvent): boolean {
    if (!event.type.startsWith('presence:')) return false;
    const userId = textField(event.data, 'userId');
    if (userId === null) return false;
    if (event.type === 'presence:left' || event.type === 'presence:timeout') {
      if (!this.#users.delete(userId)) return false;
    } else {
      const known = this.#users.get(userId);
      if (known === undefined && this.#users.size >= PRESENT_USERS_MAX) return false;
      this.#users.set(userId, {
        userId,
        displayName: textField(event.data, 'displayName') ?? known?.displayName ?? null,
        activeFile: textField(event.data, 'activeFile') ?? known?.activeFile ?? null,
        hasCursor: objectField(event.data, 'cursor') !== null || (known?.hasCursor ?? false),
      });
    }
    this.#snapshot = null;
    return true;
  }
}

// Who this visitor is to the others: a made-up id that lasts as long as the tab, and a name that they may choose.

const ID_KEY = 'durable-sessions.visitor';
const NAME_KEY = 'durable-sessions.name';
const NAME_CHARS_MAX = 40;

export interface Identity {
  readonly userId: string;
  readonly displayName: string;
}

type Listener = () => void;

export class Visitor {
  #identity: Identity;
  readonly #storage: Storage;
  readonly #listeners = new Set<Listener>();

  constructor(storage: Storage = window.sessionStorage, random: () => number = Math.random) {
    const userId = storage.getItem(ID_KEY) ?? `visitor-${random().toString(36).slice(2, 8).padEnd(6, '0')}`;
    storage.setItem(ID_KEY, userId);
    this.#storage = storage;
    this.#identity = { userId, displayName: storage.getItem(NAME_KEY) ?? `Visitor ${userId.slice(-3)}` };
  }

  getSnapshot = (): Identity => this.#identity;

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  rename(name: string): void {
    const displayName = name.trim().slice(0, NAME_CHARS_MAX);
    if (displayName === '' || displayName === this.#identity.displayName) return;
    this.#storage.setItem(NAME_KEY, displayName);
    this.#identity = { ...this.#identity, displayName };
    for (const listener of this.#listeners) listener();
  }
}

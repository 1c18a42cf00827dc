// A list that forgets its oldest entries and says how many. Snapshots are shared until the next change.

export interface BoundedSnapshot<T> {
  readonly items: readonly T[];
  /** Items that were here and made room for newer ones. */
  readonly dropped: number;
}

export class BoundedList<T> {
  readonly #max: number;
  readonly #onDrop: ((item: T) => void) | null;
  #items: T[] = [];
  #dropped = 0;
  #snapshot: BoundedSnapshot<T> | null = null;

  constructor(max: number, onDrop: ((item: T) => void) | null = null) {
    this.#max = max;
    this.#onDrop = onDrop;
  }

  get last(): T | undefined {
    return this.#items.at(-1);
  }

  /** Position since the beginning of time; stays valid while older items leave. */
  push(item: T): number {
    this.#items.push(item);
    this.#snapshot = null;
    // An eighth of slack, so that the array is compacted once per many pushes and not once per push.
    if (this.#items.length > this.#max + Math.floor(this.#max / 8)) {
      const leaving = this.#items.splice(0, this.#items.length - this.#max);
      this.#dropped += leaving.length;
      if (this.#onDrop !== null) leaving.forEach(this.#onDrop);
    }
    return this.#dropped + this.#items.length - 1;
  }

  at(position: number): T | undefined {
    return this.#items[position - this.#dropped];
  }

  replace(position: number, item: T): void {
    const index = position - this.#dropped;
    if (index < 0 || index >= this.#items.length) return;
    this.#items[index] = item;
    this.#snapshot = null;
  }

  snapshot(): BoundedSnapshot<T> {
    this.#snapshot ??= { items: this.#items.slice(), dropped: this.#dropped };
    return this.#snapshot;
  }
}

// One stream in memory: messages of JSON or bytes, the producers that wrote them, its end. Must not know HTTP.

export interface ProducerClaim {
  id: string;
  epoch: number;
  seq: number;
}

/** What an append came to. */
export type Appended =
  | { outcome: 'stored' | 'duplicate' | 'closed' }
  | { outcome: 'stale'; epoch: number }
  | { outcome: 'gap'; expected: number }
  | { outcome: 'newEpochNotAtZero' };

/** What a read found, up to `next`. */
export interface Page {
  /** JSON: the messages' text, without brackets. */
  readonly messages: readonly string[];
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly next: number;
}

const NONE = new Uint8Array();

export class MemoryStream {
  readonly contentType: string;
  readonly isJson: boolean;
  /** The first message or byte that is kept. */
  first = 0;
  closed = false;
  readonly #messages: string[] = [];
  #bytes: Uint8Array<ArrayBuffer> = NONE;
  readonly #producers = new Map<string, { epoch: number; seq: number }>();
  #closedBy: ProducerClaim | null = null;
  readonly #waiting = new Set<() => void>();
  readonly #passing = new Set<(message: string) => void>();

  constructor(contentType: string) {
    this.contentType = contentType;
    this.isJson = /^application\/json\b/i.test(contentType);
  }

  /** Where the next message or byte will stand. */
  get tail(): number {
    return this.isJson ? this.#messages.length : this.#bytes.length;
  }

  /** Calls once, when something is appended or the stream ends. Returns how not to. */
  wait(run: () => void): () => void {
    this.#waiting.add(run);
    return () => void this.#waiting.delete(run);
  }

  /** Calls for every message that is passed on without being stored. Returns how to stop that. */
  listen(run: (message: string) => void): () => void {
    this.#passing.add(run);
    return () => void this.#passing.delete(run);
  }

  /** Passes a message on to who listens now. */
  pass(message: string): void {
    for (const run of [...this.#passing]) {
      run(message);
    }
  }

  append(content: readonly string[] | Uint8Array, close = false, producer: ProducerClaim | null = null): Appended {
    const known = producer === null ? undefined : this.#producers.get(producer.id);
    if (this.closed) {
      const isSame = producer !== null && this.#closedBy !== null && producer.id === this.#closedBy.id && producer.epoch === this.#closedBy.epoch && producer.seq === this.#closedBy.seq;
      return { outcome: isSame || (content.length === 0 && close) ? 'duplicate' : 'closed' };
    }
    if (producer !== null) {
      if (known !== undefined && producer.epoch < known.epoch) {
        return { outcome: 'stale', epoch: known.epoch };
      }
      const isNewEpoch = known === undefined || producer.epoch > known.epoch;
      if (isNewEpoch && producer.seq !== 0) {
        return known === undefined ? { outcome: 'gap', expected: 0 } : { outcome: 'newEpochNotAtZero' };
      }
      if (!isNewEpoch && producer.seq <= known.seq) {
        return { outcome: 'duplicate' };
      }
      if (!isNewEpoch && producer.seq > known.seq + 1) {
        return { outcome: 'gap', expected: known.seq + 1 };
      }
      this.#producers.set(producer.id, { epoch: producer.epoch, seq: producer.seq });
    }
    if (content instanceof Uint8Array) {
      const both = new Uint8Array(this.#bytes.length + content.length);
      both.set(this.#bytes);
      both.set(content, this.#bytes.length);
      this.#bytes = both;
    } else {
      this.#messages.push(...content);
    }
    if (close) {
      this.closed = true;
      this.#closedBy = producer;
    }
    for (const run of [...this.#waiting]) {
      this.#waiting.delete(run);
      run();
    }
    return { outcome: 'stored' };
  }

  /** From `from` on, about `bytesMax` at most, and at least one message. */
  read(from: number, bytesMax = Infinity): Page {
    if (!this.isJson) {
      const bytes = this.#bytes.slice(from, from + Math.min(bytesMax, this.#bytes.length));
      return { messages: [], bytes, next: from + bytes.length };
    }
    let next = from;
    for (let bytes = 0; next < this.#messages.length && (next === from || bytes + (this.#messages[next] as string).length <= bytesMax); next += 1) {
      bytes += (this.#messages[next] as string).length;
    }
    return { messages: this.#messages.slice(from, next), bytes: NONE, next };
  }

  /** What it holds, as values. */
  values(): unknown[] {
    return this.#messages.slice(this.first).map((text) => JSON.parse(text) as unknown);
  }
}

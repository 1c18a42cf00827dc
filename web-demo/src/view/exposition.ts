// Reads the text format of Prometheus as far as our server writes it. Must not know what metrics mean.

const PREFIX = 'durable_sessions_';
const LINE = /^durable_sessions_([a-z0-9_]+)(?:\{([^}]*)\})? (\S+)$/;
// Our labels hold words and numbers: no comma and no quotation mark stands in a value.
const LABEL = /([a-z_]+)="([^"]*)"/g;

interface Sample {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Values by name, without the beginning that all names have in common. */
export class Exposition {
  readonly #samples: ReadonlyMap<string, readonly Sample[]>;

  private constructor(samples: ReadonlyMap<string, readonly Sample[]>) {
    this.#samples = samples;
  }

  /** Lines of another form are left out. */
  static parse(text: string): Exposition {
    const samples = new Map<string, Sample[]>();
    for (const line of text.split('\n')) {
      if (!line.startsWith(PREFIX)) continue;
      const [, name, labels = '', number = ''] = LINE.exec(line) ?? [];
      const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
      if (name === undefined || Number.isNaN(value)) continue;
      const sample = { labels: new Map(Array.from(labels.matchAll(LABEL), ([, label = '', of = '']) => [label, of] as const)), value };
      const known = samples.get(name);
      if (known === undefined) samples.set(name, [sample]);
      else known.push(sample);
    }
    return new Exposition(samples);
  }

  /** All values of a name together; 0 where there is none. */
  sum(name: string): number {
    return (this.#samples.get(name) ?? []).reduce((sum, { value }) => sum + value, 0);
  }

  /** Values by one label. */
  by(name: string, label: string): readonly (readonly [string, number])[] {
    return (this.#samples.get(name) ?? []).flatMap(({ labels, value }) => {
      const of = labels.get(label);
      return of === undefined ? [] : [[of, value] as const];
    });
  }

  /** The value below which a share of what came since an earlier look lies, from the buckets of a histogram; null when nothing came. */
  quantile(before: Exposition, name: string, share: number): number | null {
    const earlier = new Map(before.by(`${name}_bucket`, 'le'));
    const buckets = this.by(`${name}_bucket`, 'le')
      .map(([bound, count]) => ({ bound: bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound), count: count - (earlier.get(bound) ?? 0) }))
      .sort((a, b) => a.bound - b.bound);
    const wanted = (buckets.at(-1)?.count ?? 0) * share;
    if (!(wanted > 0)) return null;
    let below = { bound: 0, count: 0 };
    for (const bucket of buckets) {
      if (bucket.count >= wanted) {
        if (!Number.isFinite(bucket.bound)) return below.bound;
        return below.bound + ((bucket.bound - below.bound) * (wanted - below.count)) / (bucket.count - below.count);
      }
      below = bucket;
    }
    return null;
  }
}

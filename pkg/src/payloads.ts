// Long payloads are parsed when somebody looks at one of them. Until then a record has accessors in their place: its own,
// enumerable, and writable like any property. Must not know: batches, events.

/** Reads a payload. */
type Payload = () => unknown;

/** The payloads of one batch, by index. */
export type Payloads = (index: number) => Payload;

/** Those in an array of JSON, which is parsed at the first look at one of them: whoever looks at one looks at most of them. */
export function payloads(json: Uint8Array | null): Payloads {
  let values: unknown[] = [];
  return (index) => () => {
    if (json !== null) {
      values = JSON.parse(new TextDecoder().decode(json)) as unknown[];
      json = null;
    }
    return values[index];
  };
}

// Own, not enumerable: nobody sees it, and nothing copies it. Configurable, since proxies may not wrap what is neither that nor
// writable, and those of reactive libraries do.
const PAYLOADS = Symbol();

interface Holder {
  [PAYLOADS]: Record<string, Payload>;
}

// The same functions for every record: engines then see the same shape.
const accessors: Record<string, PropertyDescriptor> = {};

function accessor(name: string): PropertyDescriptor {
  return {
    get(this: Holder) {
      return this[PAYLOADS][name]?.();
    },
    set(value: unknown) {
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
    },
    enumerable: true,
    configurable: true,
  };
}

/** `data` with accessors where it has the reader of a payload, which nothing of JSON can be mistaken for. */
export function withPayloads(data: Record<string, unknown>): unknown {
  const held: Record<string, unknown> = {};
  const copy: Record<string, unknown> = Object.defineProperty({}, PAYLOADS, { value: held, configurable: true });
  for (const name of Object.keys(data)) {
    const value = data[name];
    if (typeof value === 'function') {
      held[name] = value;
      Object.defineProperty(copy, name, (accessors[name] ??= accessor(name)));
    } else {
      copy[name] = value;
    }
  }
  return copy;
}

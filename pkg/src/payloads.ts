// Long payloads are parsed when somebody looks at one of them. Until then a record has accessors in their place: its own,
// enumerable, and writable like any property. Must not know: batches, events.

/** Reads a payload: it is parsed the first time. */
type Payload = () => unknown;

/** The JSON value of `length` bytes at `from`, which `bytes` are kept for until it has been read. */
export function payload(bytes: Uint8Array | null, from: number, length: number): Payload {
  let value: unknown;
  return () => {
    if (bytes !== null) {
      value = JSON.parse(new TextDecoder().decode(bytes.subarray(from, from + length)));
      bytes = null;
    }
    return value;
  };
}

// Own, not enumerable: nobody sees it, and nothing copies it.
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
  const copy: Record<string, unknown> = Object.defineProperty({}, PAYLOADS, { value: held });
  for (const name in data) {
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

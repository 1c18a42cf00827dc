// The arithmetic of a virtual list: where rows begin, and which row is at a height.

/** Start of every row, and one more: the total height. */
export function offsetsOf<T>(items: readonly T[], heightOf: (item: T) => number): Float64Array {
  const offsets = new Float64Array(items.length + 1);
  let at = 0;
  for (let i = 0; i < items.length; i += 1) {
    offsets[i] = at;
    at += heightOf(items[i] as T);
  }
  offsets[items.length] = at;
  return offsets;
}

/** How many rows begin at or above the given height. */
export function boundary(offsets: Float64Array, height: number): number {
  let low = 0;
  let high = offsets.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((offsets[middle] ?? 0) <= height) low = middle + 1;
    else high = middle;
  }
  return low;
}

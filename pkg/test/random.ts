// Chance that can be repeated. Must not know what it is for.

/** Draws from 0 up to `below`; the same for the same seed. */
export function random(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

// One minute of events per second, as bars.

import { memo } from 'react';

const WIDTH = 240;
const HEIGHT = 36;

export const Sparkline = memo(
  function Sparkline({ values, label }: { readonly values: readonly number[]; readonly label: string }) {
    return (
      <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <path className="sparkline-base" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
        <path className="sparkline-bars" d={barsPath(values)} />
      </svg>
    );
  },
  (a, b) => a.label === b.label && a.values.every((value, i) => value === b.values[i]),
);

export function barsPath(values: readonly number[]): string {
  const peak = Math.max(1, ...values);
  const step = WIDTH / values.length;
  return values
    .map((value, i) => {
      if (value === 0) return '';
      // Something is always more than nothing, however high the peak is.
      const height = Math.max(1.5, (value / peak) * (HEIGHT - 2));
      return `M${(i * step + 0.5).toFixed(2)} ${HEIGHT}v${(-height).toFixed(2)}h${(step - 1).toFixed(2)}v${height.toFixed(2)}z`;
    })
    .join('');
}

// Styled terminal text: class names only, text nodes only.

import { memo } from 'react';

import type { Style } from '../view/ansi';
import type { Run } from '../view/terminal';

function classOf(style: Style): string | undefined {
  const names: string[] = [];
  const fg = style.inverse ? (style.bg ?? 'inverse') : style.fg;
  const bg = style.inverse ? (style.fg ?? 'inverse') : style.bg;
  if (fg !== null) names.push(`fg-${fg}`);
  if (bg !== null) names.push(`bg-${bg}`);
  if (style.bold) names.push('bold');
  if (style.dim) names.push('dim');
  if (style.italic) names.push('italic');
  if (style.underline) names.push('underline');
  return names.length === 0 ? undefined : names.join(' ');
}

export const Runs = memo(function Runs({ runs }: { readonly runs: readonly Run[] }) {
  return runs.map((run, i) => {
    const name = classOf(run.style);
    return name === undefined ? run.text : <span key={i} className={name}>{run.text}</span>;
  });
});

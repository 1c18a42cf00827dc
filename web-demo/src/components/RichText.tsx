// The agent's prose: paragraphs, lists, code fences, `code` and **bold**. A subset of Markdown, built from React
// elements only, so nothing an agent writes can become markup. Finished paragraphs are not rendered again while the
// last one is still being written.

import { memo, type ReactNode } from 'react';

interface Block {
  readonly kind: 'text' | 'code' | 'item';
  readonly text: string;
}

export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let paragraph: string[] = [];
  let fence: string[] | null = null;
  const flush = () => {
    const joined = paragraph.join('\n').trim();
    if (joined !== '') blocks.push({ kind: 'text', text: joined });
    paragraph = [];
  };
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    if (fence !== null) {
      if (/^\s*```\s*$/.test(line)) {
        blocks.push({ kind: 'code', text: fence.join('\n') });
        fence = null;
      } else {
        fence.push(line);
      }
    } else if (/^\s*```\S*\s*$/.test(line)) {
      flush();
      fence = [];
    } else if (/^\s*(?:[-*]|\d+[.)])\s+\S/.test(line)) {
      flush();
      blocks.push({ kind: 'item', text: line.trim() });
    } else if (line.trim() === '') {
      flush();
    } else {
      paragraph.push(line);
    }
  }
  if (fence !== null) blocks.push({ kind: 'code', text: fence.join('\n') });
  flush();
  return blocks;
}

export const RichText = memo(function RichText({ text }: { readonly text: string }) {
  return (
    <div className="prose">
      {blocksOf(text).map((block, i) => (
        <ProseBlock key={i} kind={block.kind} text={block.text} />
      ))}
    </div>
  );
});

const ProseBlock = memo(function ProseBlock({ kind, text }: Block) {
  if (kind === 'code') return <pre className="prose-code" tabIndex={0}>{text}</pre>;
  if (kind === 'item') {
    const [, mark = '', rest = ''] = /^([-*]|\d+[.)])\s+([\s\S]*)$/.exec(text) ?? [];
    return (
      <p className="prose-item">
        <span className="prose-mark">{mark === '-' || mark === '*' ? '•' : mark}</span> {inline(rest)}
      </p>
    );
  }
  const heading = /^#{1,4} (.+)$/.exec(text);
  if (heading !== null) return <p className="prose-heading">{inline(heading[1] ?? '')}</p>;
  return <p>{inline(text)}</p>;
});

function inline(text: string): ReactNode[] {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part, i) => {
    if (part.length > 2 && part.startsWith('`') && part.endsWith('`')) return <code key={i}>{part.slice(1, -1)}</code>;
    if (part.length > 4 && part.startsWith('**') && part.endsWith('**')) return <strong key={i}>{part.slice(2, -2)}</strong>;
    return part;
  });
}

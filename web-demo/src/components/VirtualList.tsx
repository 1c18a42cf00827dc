// A list of rows of any height of which only the visible ones exist. It follows its end until the reader scrolls up,
// and keeps what is being read in place when rows above it turn out taller than estimated.

import { memo, type ReactNode, type Ref, useCallback, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'react';
import { flushSync } from 'react-dom';

import { boundary, offsetsOf } from './virtual-offsets';

export interface VirtualListControl {
  toEnd(): void;
  /** Moves the focus by so many rows, as far as there are any. */
  focusBy(step: number): void;
}

interface VirtualListProps<T extends { readonly key: string }> {
  readonly items: readonly T[];
  readonly estimate: (item: T) => number;
  readonly render: (item: T, isLast: boolean) => ReactNode;
  readonly label: string;
  readonly role: 'feed' | 'list';
  readonly className: string;
  readonly header?: ReactNode;
  readonly empty?: ReactNode;
  readonly control?: Ref<VirtualListControl>;
  readonly onFollow: (following: boolean) => void;
}

const OVERSCAN_PX = 600;
const NEAR_END_PX = 16;

export function VirtualList<T extends { readonly key: string }>(props: VirtualListProps<T>) {
  const { items, estimate, render, label, role, className, header, empty, control, onFollow } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const heights = useRef(new Map<string, number>());
  const following = useRef(true);
  const lastTop = useRef(0);
  const focusedKey = useRef<string | null>(null);
  const [view, setView] = useState({ top: 0, height: 0 });
  const [measured, remeasure] = useReducer((n: number) => n + 1, 0);

  const offsets = useMemo(() => {
    if (heights.current.size > items.length * 2 + 200) forgetGone(heights.current, items);
    return offsetsOf(items, (item) => heights.current.get(item.key) ?? estimate(item));
    // `measured` stands for the contents of `heights`.
  }, [items, estimate, measured]);
  const total = offsets[items.length] ?? 0;
  const top = following.current ? Math.max(0, total - view.height) : view.top;
  const first = Math.max(0, boundary(offsets, top - OVERSCAN_PX) - 1);
  const last = Math.min(items.length, boundary(offsets, top + view.height + OVERSCAN_PX));

  const follow = useCallback(
    (next: boolean) => {
      if (following.current === next) return;
      following.current = next;
      onFollow(next);
    },
    [onFollow],
  );

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null || !following.current) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  });

  const latest = useRef({ items, offsets });
  useLayoutEffect(() => {
    const element = scroller.current;
    const { items: before, offsets: starts } = latest.current;
    latest.current = { items, offsets };
    const head = items[0]?.key;
    if (element === null || following.current || head === undefined || before[0]?.key === head) return;
    // Old rows left at the head, or came there: what is being read stays where it is.
    const gone = before.findIndex((row) => row.key === head);
    const come = gone >= 0 || before[0] === undefined ? -1 : items.findIndex((row) => row.key === before[0]?.key);
    if (gone <= 0 && come <= 0) return;
    element.scrollTop += come > 0 ? (offsets[come] ?? 0) : -(starts[gone] ?? 0);
    lastTop.current = element.scrollTop;
    setView({ top: element.scrollTop, height: element.clientHeight });
  }, [items, offsets]);

  const rowObserver = useMemo(
    () =>
      new ResizeObserver((entries) => {
        const element = scroller.current;
        if (element === null) return;
        let shift = 0;
        let changed = false;
        for (const entry of entries) {
          const row = entry.target as HTMLElement;
          const height = entry.borderBoxSize[0]?.blockSize ?? 0;
          // A pane that is not shown measures nothing; those heights would be lies.
          if (height === 0 || row.dataset['key'] === undefined) continue;
          const index = Number(row.dataset['index']);
          const before = (latest.current.offsets[index + 1] ?? 0) - (latest.current.offsets[index] ?? 0);
          heights.current.set(row.dataset['key'], height);
          if (Math.abs(height - before) < 0.5) continue;
          changed = true;
          if ((latest.current.offsets[index + 1] ?? 0) <= element.scrollTop) shift += height - before;
        }
        if (!changed) return;
        // Before the paint, so that nothing is seen to jump.
        flushSync(remeasure);
        if (!following.current && shift !== 0) {
          element.scrollTop += shift;
          lastTop.current = element.scrollTop;
        }
      }),
    [],
  );
  useEffect(() => () => rowObserver.disconnect(), [rowObserver]);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setView({ top: element.scrollTop, height: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const scrolled = useCallback(() => {
    const element = scroller.current;
    if (element === null || element.clientHeight === 0) return;
    const fromEnd = element.scrollHeight - element.clientHeight - element.scrollTop;
    if (fromEnd < NEAR_END_PX) follow(true);
    else if (element.scrollTop < lastTop.current - 1) follow(false);
    lastTop.current = element.scrollTop;
    setView({ top: element.scrollTop, height: element.clientHeight });
  }, [follow]);

  useImperativeHandle(control, () => ({
    toEnd: () => {
      const element = scroller.current;
      if (element === null) return;
      follow(true);
      element.scrollTop = element.scrollHeight;
      setView({ top: element.scrollTop, height: element.clientHeight });
    },
    focusBy: (step) => {
      const element = scroller.current;
      if (element === null || latest.current.items.length === 0) return;
      const { items: rows, offsets: starts } = latest.current;
      const current = rows.findIndex((row) => row.key === focusedKey.current);
      const from = current >= 0 ? current : boundary(starts, element.scrollTop) - 1;
      const index = Math.min(rows.length - 1, Math.max(0, from + (current >= 0 ? step : 0)));
      const start = starts[index] ?? 0;
      const end = starts[index + 1] ?? start;
      if (index < rows.length - 1) follow(false);
      if (start < element.scrollTop) element.scrollTop = start - 8;
      else if (end > element.scrollTop + element.clientHeight) element.scrollTop = Math.min(start - 8, end - element.clientHeight + 8);
      lastTop.current = element.scrollTop;
      flushSync(() => setView({ top: element.scrollTop, height: element.clientHeight }));
      focusedKey.current = rows[index]?.key ?? null;
      element.querySelector<HTMLElement>(`[data-index="${index}"]`)?.focus({ preventScroll: true });
    },
  }));

  return (
    <div
      ref={scroller}
      className={`virtual ${className}`}
      onScroll={scrolled}
      onWheel={(event) => {
        // At once, not with the scroll event: a fast stream would pull the reader back down in between.
        if (event.deltaY < 0 && (scroller.current?.scrollTop ?? 0) > 0) follow(false);
      }}
      // A scrollable region has to be reachable by keyboard.
      tabIndex={0}
      role="region"
      aria-label={label}
    >
      {header}
      {items.length === 0 ? empty : null}
      <div className="virtual-space" style={{ height: total }} role={items.length === 0 ? undefined : role} aria-label={items.length === 0 ? undefined : label}>
        <div className="virtual-window" style={{ transform: `translateY(${offsets[first] ?? 0}px)` }}>
          {items.slice(first, last).map((item, i) => (
            <VirtualRow
              key={item.key}
              item={item}
              index={first + i}
              isLast={first + i === items.length - 1}
              role={role === 'feed' ? 'article' : 'listitem'}
              observer={rowObserver}
              render={render as (item: { readonly key: string }, isLast: boolean) => ReactNode}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

interface VirtualRowProps {
  readonly item: { readonly key: string };
  readonly index: number;
  readonly isLast: boolean;
  readonly role: 'article' | 'listitem';
  readonly observer: ResizeObserver;
  readonly render: (item: { readonly key: string }, isLast: boolean) => ReactNode;
}

const VirtualRow = memo(
  function VirtualRow({ item, index, isLast, role, observer, render }: VirtualRowProps) {
    const element = useRef<HTMLDivElement>(null);
    useLayoutEffect(() => {
      const row = element.current;
      if (row === null) return undefined;
      observer.observe(row);
      return () => observer.unobserve(row);
    }, [observer]);
    return (
      <div ref={element} className="virtual-row" data-key={item.key} data-index={index} role={role} aria-posinset={index + 1} aria-setsize={-1} tabIndex={-1}>
        {render(item, isLast)}
      </div>
    );
  },
  (a, b) => a.item === b.item && a.index === b.index && a.isLast === b.isLast && a.render === b.render,
);

function forgetGone(heights: Map<string, number>, items: readonly { readonly key: string }[]): void {
  const present = new Set(items.map((item) => item.key));
  for (const key of heights.keys()) if (!present.has(key)) heights.delete(key);
}

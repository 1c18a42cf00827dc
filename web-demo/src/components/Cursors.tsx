// Where the others point, over the middle of the page, and where this visitor does. Places are parts of the area's
// width and height, so that they fit on screens of any size.

import { usePresence } from 'durable-sessions/react';
import { type RefObject, useEffect } from 'react';

import { useNow } from '../app/use-now';
import type { Identity } from '../session/identity';
import { hueOf } from './user-colour';

/** A pointer that has not moved for so long points at nothing any more. */
const STILL_MS_MAX = 20_000;

interface CursorLayerProps {
  readonly session: string;
  readonly me: Identity;
  /** Whether this visitor joins. */
  readonly join: boolean;
  readonly area: RefObject<HTMLElement | null>;
}

export function CursorLayer({ session, me, join, area }: CursorLayerProps) {
  const { users, setCursor } = usePresence(session, join ? me : null);
  const others = users.filter(({ userId, cursor }) => userId !== me.userId && cursor !== null);
  const now = useNow(5_000, others.length > 0);
  // Alone, there is nobody to show it to.
  const hasCompany = users.some(({ userId }) => userId !== me.userId);

  useEffect(() => {
    const element = area.current;
    if (element === null || !hasCompany) return undefined;
    const moved = (event: PointerEvent) => {
      const { left, top, width, height } = element.getBoundingClientRect();
      setCursor({ x: part(event.clientX - left, width), y: part(event.clientY - top, height) });
    };
    element.addEventListener('pointermove', moved, { passive: true });
    return () => element.removeEventListener('pointermove', moved);
  }, [area, hasCompany, setCursor]);

  return (
    <div className="cursors" aria-hidden="true" data-testid="cursors">
      {others.map(({ userId, displayName, cursor, seenAt }) =>
        cursor === null || now - seenAt > STILL_MS_MAX ? null : (
          <span key={userId} className={`cursor hue-${hueOf(userId)}`} style={{ left: `${within(cursor.x) * 100}%`, top: `${within(cursor.y) * 100}%` }} data-testid="cursor" data-user={userId}>
            <svg viewBox="0 0 16 16" width="16" height="16" focusable="false"><path d="M2 1.5l11.500 5.200-5 1.600-2.200 4.900z" /></svg>
            <span className="cursor-name">{displayName ?? userId}</span>
          </span>
        ),
      )}
    </div>
  );
}

const within = (value: number): number => Math.min(1, Math.max(0, value));

function part(at: number, whole: number): number {
  return whole <= 0 ? 0 : Math.round(within(at / whole) * 10_000) / 10_000;
}

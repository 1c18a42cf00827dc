// What this browser remembers about the reader's taste. `public/theme.js` reads the same theme key before first paint.

import { useCallback, useEffect, useState } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const THEME_KEY = 'durable-sessions.theme';
const SHORTCUTS_KEY = 'durable-sessions.shortcuts';

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be forbidden; the page works without a memory
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // As above.
  }
}

export function useTheme(): { theme: Theme; isDark: boolean; toggle: () => void; followSystem: () => void } {
  const [theme, setTheme] = useState<Theme>(() => {
    const stored = read(THEME_KEY);
    return stored === 'light' || stored === 'dark' ? stored : 'system';
  });
  const systemIsDark = useMediaQuery('(prefers-color-scheme: dark)');
  const isDark = theme === 'dark' || (theme === 'system' && systemIsDark);
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    write(THEME_KEY, theme === 'system' ? null : theme);
  }, [theme]);
  return {
    theme,
    isDark,
    toggle: useCallback(() => setTheme(isDark ? 'light' : 'dark'), [isDark]),
    followSystem: useCallback(() => setTheme('system'), []),
  };
}

export function useShortcutsEnabled(): [boolean, (enabled: boolean) => void] {
  const [enabled, setEnabled] = useState(() => read(SHORTCUTS_KEY) !== 'off');
  const change = useCallback((next: boolean) => {
    setEnabled(next);
    write(SHORTCUTS_KEY, next ? null : 'off');
  }, []);
  return [enabled, change];
}

export function useMediaQuery(query: string): boolean {
  const [matches, setMatches] = useState(() => window.matchMedia(query).matches);
  useEffect(() => {
    const list = window.matchMedia(query);
    const changed = () => setMatches(list.matches);
    changed();
    list.addEventListener('change', changed);
    return () => list.removeEventListener('change', changed);
  }, [query]);
  return matches;
}

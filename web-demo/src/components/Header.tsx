// Name of the page and of the session, connection state, the way to the server's page, theme and help.

import type { Place } from '../app/use-place';
import { ConnectionPill } from './ConnectionStatus';
import { Icon } from './Icon';

interface HeaderProps {
  readonly title: string | null;
  readonly id: string | null;
  readonly place: Place;
  readonly onPlace: (place: Place) => void;
  readonly isDark: boolean;
  readonly onToggleTheme: () => void;
  readonly onHelp: () => void;
}

export function Header({ title, id, place, onPlace, isDark, onToggleTheme, onHelp }: HeaderProps) {
  return (
    <header className="header">
      <span className="brand">
        <img src="./icon.svg" alt="" width="22" height="22" />
        <span className="brand-name">Durable sessions</span>
      </span>
      <h1 className="header-title" title={id ?? undefined}>
        {title ?? 'No session open'}
        {title !== id && id !== null ? <span className="header-id">{id}</span> : null}
      </h1>
      {id === null ? null : <ConnectionPill key={id} session={id} />}
      <span className="header-actions">
        <button
          type="button"
          className="icon-button"
          aria-current={place === 'server' ? 'page' : undefined}
          onClick={() => onPlace(place === 'server' ? 'session' : 'server')}
          aria-label="Server: counters, dead letters, streams"
          title="Server (s)"
          data-testid="server"
        >
          <Icon name="server" />
        </button>
        <button type="button" className="icon-button" onClick={onToggleTheme} aria-label={isDark ? 'Use the light theme' : 'Use the dark theme'} title={isDark ? 'Light theme (t)' : 'Dark theme (t)'} data-testid="theme">
          <Icon name={isDark ? 'sun' : 'moon'} />
        </button>
        <button type="button" className="icon-button" onClick={onHelp} aria-label="Keyboard shortcuts and help" title="Help (?)" data-testid="help">
          <Icon name="help" />
        </button>
      </span>
    </header>
  );
}

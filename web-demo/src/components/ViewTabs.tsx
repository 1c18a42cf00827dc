// On a narrow screen: which part of the session is shown; none where it is the server.

import { Icon, type IconName } from './Icon';

export type View = 'sessions' | 'timeline' | 'terminal' | 'agent' | 'stream';

const VIEWS: readonly { readonly view: View; readonly label: string; readonly icon: IconName }[] = [
  { view: 'sessions', label: 'Sessions', icon: 'sessions' },
  { view: 'timeline', label: 'Timeline', icon: 'list' },
  { view: 'terminal', label: 'Terminal', icon: 'terminal' },
  { view: 'agent', label: 'Agent', icon: 'agent' },
  { view: 'stream', label: 'Stream', icon: 'wire' },
];

export function ViewTabs({ view, onView }: { readonly view: View | null; readonly onView: (view: View) => void }) {
  return (
    <nav className="tabs" aria-label="Parts of the page">
      {VIEWS.map((candidate) => (
        <button key={candidate.view} type="button" aria-current={view === candidate.view ? 'page' : undefined} onClick={() => onView(candidate.view)} data-testid={`view-${candidate.view}`}>
          <Icon name={candidate.icon} />
          {candidate.label}
        </button>
      ))}
    </nav>
  );
}

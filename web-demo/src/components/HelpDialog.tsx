// Keyboard shortcuts and what the page is.

import { useEffect, useRef } from 'react';

import type { Shortcut } from '../app/shortcuts';

interface HelpDialogProps {
  readonly isOpen: boolean;
  readonly shortcuts: readonly Shortcut[];
  readonly shortcutsEnabled: boolean;
  readonly onShortcutsEnabled: (enabled: boolean) => void;
  readonly onFollowSystem: () => void;
  readonly onForgetToken: () => void;
  readonly onClose: () => void;
}

export function HelpDialog(props: HelpDialogProps) {
  const { isOpen, shortcuts, shortcutsEnabled, onShortcutsEnabled, onFollowSystem, onForgetToken, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    if (isOpen && !element.open) element.showModal();
    if (!isOpen && element.open) element.close();
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      className="help"
      aria-labelledby="help-title"
      onClose={onClose}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div className="help-body">
        <h2 id="help-title">Keyboard</h2>
        <table>
          <thead className="visually-hidden"><tr><th>Key</th><th>Action</th></tr></thead>
          <tbody>
            {shortcuts.map(({ keys, label }) => (
              <tr key={label}>
                <td>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</td>
                <td>{label}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <label className="check">
          <input type="checkbox" checked={shortcutsEnabled} onChange={(event) => onShortcutsEnabled(event.target.checked)} />
          Single-key shortcuts
        </label>
        <p className="muted">After a reload the page reads the session again from its start, so it shows the same again. The access token stays in this tab only.</p>
        <div className="help-actions">
          <button type="button" onClick={onFollowSystem}>System theme</button>
          <button type="button" onClick={onForgetToken}>Forget token</button>
          <button type="button" className="primary" onClick={onClose}>Close</button>
        </div>
      </div>
    </dialog>
  );
}

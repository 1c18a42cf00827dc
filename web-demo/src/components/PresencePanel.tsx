// Who is here, and under which name this visitor is.

import { usePresence } from 'durable-sessions/react';
import type { UserView } from 'durable-sessions/store';
import { type FormEvent, useId, useState, useSyncExternalStore } from 'react';

import { count } from '../app/format';
import type { Visitor } from '../session/identity';
import { hueOf } from './user-colour';

const SHOWN_USERS = 12;

export function PresencePanel({ session, visitor }: { readonly session: string; readonly visitor: Visitor }) {
  const me = useSyncExternalStore(visitor.subscribe, visitor.getSnapshot);
  // Joined by the layer of cursors; both share one presence.
  const { users } = usePresence(session);
  const isHere = users.some(({ userId }) => userId === me.userId);
  return (
    <section className="panel presence" aria-labelledby="presence-title" data-testid="presence">
      <h2 id="presence-title">Here now</h2>
      {users.length === 0 ? <p className="empty">Nobody has joined.</p> : null}
      <ul>
        {users.slice(0, SHOWN_USERS).map((user) => <Person key={user.userId} user={user} isMe={user.userId === me.userId} />)}
        {users.length > SHOWN_USERS ? <li className="muted">and {count(users.length - SHOWN_USERS)} more</li> : null}
      </ul>
      {isHere ? <NameForm key={me.displayName} name={me.displayName} onName={(name) => visitor.rename(name)} /> : null}
    </section>
  );
}

function Person({ user, isMe }: { readonly user: UserView; readonly isMe: boolean }) {
  const name = user.displayName ?? user.userId;
  return (
    <li title={user.activeFile ?? undefined} data-testid="person">
      <span className={`avatar hue-${hueOf(user.userId)}`} aria-hidden="true">{name.slice(0, 1).toUpperCase()}</span>
      {name}
      {isMe ? <span className="muted">you</span> : null}
    </li>
  );
}

function NameForm({ name, onName }: { readonly name: string; readonly onName: (name: string) => void }) {
  const id = useId();
  const [value, setValue] = useState(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onName(value);
  };
  return (
    <form className="name-form" onSubmit={submit}>
      <label htmlFor={id}>Your name</label>
      <input id={id} value={value} onChange={(event) => setValue(event.target.value)} maxLength={40} autoComplete="nickname" />
      <button type="submit" disabled={value.trim() === '' || value.trim() === name}>Rename</button>
    </form>
  );
}

// Reading payload fields leniently: validation has happened in the package, and a field that an older producer left out
// must not take a row of the timeline down.

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textField(fields: Fields, name: string): string | null {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

export function numberField(fields: Fields, name: string): number | null {
  const value = fields[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function objectField(fields: Fields, name: string): Fields | null {
  const value = fields[name];
  return isFields(value) ? value : null;
}

/** The list below a name; empty where there is none. */
export function listField(value: unknown, name: string): readonly unknown[] {
  const list = isFields(value) ? value[name] : null;
  return Array.isArray(list) ? (list as unknown[]) : [];
}

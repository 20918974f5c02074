import type { TranslationBundle } from '@jupyterlab/translation';

import type { IFinding } from '../model';

function fill(text: string, args: unknown[]): string {
  return text.replace(/%(\d)/g, (_, n) => String(args[Number(n) - 1]));
}

/** English, with the placeholders filled in. */
export const trans = {
  __: (text: string, ...args: unknown[]) => fill(text, args),
  _n: (one: string, many: string, n: number, ...args: unknown[]) =>
    fill(n === 1 ? one : many, args)
} as unknown as TranslationBundle;

/** A finding as the server tells it. */
export function finding(changes: Partial<IFinding> = {}): IFinding {
  return {
    rule: 'dwave-token',
    action: 'redact',
    cellIndex: 2,
    cellId: 'ab12',
    field: 'source',
    line: 4,
    id8: '9c41e07b',
    why: 'a D-Wave token',
    ...changes
  };
}

/** The same, as JSON. */
export function row(changes: Record<string, unknown> = {}) {
  return {
    id: 'f1',
    rule: 'dwave-token',
    severity: 'high',
    action: 'redact',
    fingerprint: '9c41e07b' + '0'.repeat(56),
    cell_id: 'ab12',
    cell_index: 2,
    field: 'source',
    line: 4,
    column: 9,
    why: 'a D-Wave token',
    ...changes
  };
}

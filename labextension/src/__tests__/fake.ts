import { nullTranslator } from '@jupyterlab/translation';

import type { IFinding } from '../model';

/** English, as JupyterLab's own translator fills it in. */
export const trans = nullTranslator.load('');

/** The doors of the server. */
export const ALL_DOORS = [
  'save',
  'upload',
  'copy',
  'rename',
  'checkpoint',
  'restore',
  'download',
  'export'
];

/** A notice of the server while it is paused. */
export const PAUSED =
  'jupyter-qguard is paused until 2027-01-31 09:30 UTC by ada: it judges and reports, and changes nothing.';

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

/**
 * What the guard says: its replies read with care, its states put into words.
 *
 * Pure: no request, no DOM, no JupyterLab at run time, so that every sentence is tested as it is read.
 * Nothing here ever holds the text of a secret; the server sends rules, places and ids only.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

export type Status = 'guarding' | 'observing' | 'degraded' | 'off';

const STATUSES: readonly Status[] = [
  'guarding',
  'observing',
  'degraded',
  'off'
];

/** The reply of `GET qguard/api/health`. */
export interface IHealth {
  readonly status: Status;
  readonly version: string;
  readonly policyDigest: string;
  /** Every door of this version, and whether it holds. */
  readonly doors: Readonly<Record<string, boolean>>;
  /** What makes it degraded, one sentence each. */
  readonly problems: readonly string[];
  /** What a person should know although nothing is broken, one sentence each. */
  readonly notices: readonly string[];
}

/** One finding, as the server tells it. Lines count from 1, cells from 0. */
export interface IFinding {
  readonly rule: string;
  readonly action: string;
  readonly cellIndex: number | null;
  readonly cellId: string | null;
  readonly field: string | null;
  readonly line: number | null;
  /** The eight characters in the marker; zeros where a rule publishes none. */
  readonly id8: string;
  readonly why: string;
}

/** What a save did, from the `qguard` entry beside the contents model. */
export interface IOutcome {
  readonly action: string;
  readonly findings: readonly IFinding[];
  readonly kept: boolean;
  readonly message: string;
}

/** One entry of `GET qguard/api/decisions`. */
export interface IDecision {
  readonly time: Date | null;
  readonly door: string;
  readonly action: string;
  readonly findings: readonly IFinding[];
  readonly note: string;
}

type Json = Record<string, unknown>;

export const ZEROS = '00000000';

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Reads a health reply; whatever cannot be read counts as degraded, never as guarding. */
export function parseHealth(value: unknown): IHealth {
  const data = isObject(value) ? value : {};
  const status = STATUSES.find(known => known === data.status) ?? 'degraded';
  const doors: Record<string, boolean> = {};
  if (isObject(data.doors)) {
    for (const [door, holds] of Object.entries(data.doors)) {
      doors[door] = holds === true;
    }
  }
  return {
    status,
    version: text(data.version),
    policyDigest: text(data.policy_digest),
    doors,
    problems: list(data.problems).map(problem => String(problem)),
    notices: list(data.notices).map(notice => String(notice))
  };
}

/** The health shown when the server's part does not answer: no answer is never a good one. */
export function unreachable(
  trans: TranslationBundle,
  httpStatus: number | null
): IHealth {
  const missing = httpStatus === 404;
  return {
    status: missing ? 'off' : 'degraded',
    version: '',
    policyDigest: '',
    doors: {},
    problems: [
      missing
        ? trans.__('The server runs without the jupyter-qguard extension.')
        : trans.__('The server did not say how the guard is doing.')
    ],
    notices: []
  };
}

/** The server's sentence about a pause that is on (its `Pause.words()`); null where there is none. */
export function pauseOf(health: IHealth): string | null {
  return health.notices.find(one => one.includes(' paused until ')) ?? null;
}

/** The word shown in the status bar. */
export function statusLabel(trans: TranslationBundle, health: IHealth): string {
  switch (health.status) {
    case 'guarding':
      return trans.__('Guarding');
    case 'observing':
      return pauseOf(health)
        ? trans.__('Observing (paused)')
        : trans.__('Observing');
    case 'degraded':
      return trans.__('Guard degraded');
    case 'off':
      return trans.__('Guard off');
  }
}

/** One sentence that says what the status means, for the tooltip and the dialog. */
export function statusMeaning(
  trans: TranslationBundle,
  health: IHealth
): string {
  switch (health.status) {
    case 'guarding':
      return trans.__(
        'Credentials are kept out of what is saved, downloaded and exported here.'
      );
    case 'observing':
      return pauseOf(health)
        ? trans.__(
            'The guard is paused: credentials are reported, but nothing is changed.'
          )
        : trans.__('Credentials are reported, but nothing is changed.');
    case 'degraded':
      return trans.__(
        'Part of the guard does not work: %1',
        health.problems[0] ?? trans.__('the server gave no reason.')
      );
    case 'off':
      return (
        health.problems[0] ??
        trans.__('Nothing is checked: credentials are saved as they stand.')
      );
  }
}

function parseFinding(value: unknown): IFinding | null {
  if (!isObject(value) || typeof value.rule !== 'string') {
    return null;
  }
  const index = value.cell_index;
  const line = value.line;
  return {
    rule: value.rule,
    action: text(value.action),
    cellIndex: typeof index === 'number' ? index : null,
    cellId: typeof value.cell_id === 'string' ? value.cell_id : null,
    field: typeof value.field === 'string' ? value.field : null,
    line: typeof line === 'number' ? line : null,
    id8: (text(value.id8) || text(value.fingerprint)).slice(0, 8) || ZEROS,
    why: text(value.why)
  };
}

function parseFindings(value: unknown): readonly IFinding[] {
  return list(value)
    .map(parseFinding)
    .filter((finding): finding is IFinding => finding !== null);
}

/** Reads the `qguard` entry of a contents reply; null where there is none. */
export function parseOutcome(model: unknown): IOutcome | null {
  const data = isObject(model) ? model.qguard : undefined;
  if (!isObject(data)) {
    return null;
  }
  return {
    action: text(data.action),
    findings: parseFindings(data.findings),
    kept: data.kept === true,
    message: text(data.message)
  };
}

/** Reads a decisions reply, newest first; a bare list and `{"decisions": […]}` are both understood. */
export function parseDecisions(value: unknown): readonly IDecision[] {
  const rows = isObject(value) ? list(value.decisions) : list(value);
  const decisions = rows.filter(isObject).map(row => ({
    time: parseTime(row.time),
    door: text(row.door),
    action: text(row.action),
    findings: parseFindings(row.findings),
    note: text(row.note)
  }));
  return decisions.sort(
    (a, b) => (b.time?.getTime() ?? 0) - (a.time?.getTime() ?? 0)
  );
}

function parseTime(value: unknown): Date | null {
  // The ledger writes seconds since 1970; a script may show ISO 8601.
  const date =
    typeof value === 'number'
      ? new Date(value * 1000)
      : typeof value === 'string'
        ? new Date(value)
        : null;
  return date && !Number.isNaN(date.getTime()) ? date : null;
}

/**
 * What the guard says, and how it is put into words.
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
  readonly problems: readonly string[];
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

const ZEROS = '00000000';

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
    problems: list(data.problems).map(problem => String(problem))
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
    ]
  };
}

/** The word shown in the status bar. */
export function statusLabel(trans: TranslationBundle, status: Status): string {
  switch (status) {
    case 'guarding':
      return trans.__('Guarding');
    case 'observing':
      return trans.__('Observing');
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
      return trans.__('Credentials are kept out of what is saved here.');
    case 'observing':
      return trans.__('Credentials are reported, but nothing is changed.');
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

/** The findings that changed or stopped something, without those that only warn. */
export function taken(findings: readonly IFinding[]): readonly IFinding[] {
  return findings.filter(
    finding => finding.action !== 'warn' && finding.action !== 'allow'
  );
}

/** Where a finding stands, in words: `cell 3, outputs[0].text, line 2`. Cells count from 1, as people do. */
export function place(trans: TranslationBundle, finding: IFinding): string {
  const parts: string[] = [];
  if (finding.cellIndex !== null) {
    parts.push(trans.__('cell %1', String(finding.cellIndex + 1)));
  }
  if (finding.field && finding.field !== 'source') {
    parts.push(finding.field);
  }
  if (finding.line !== null) {
    parts.push(trans.__('line %1', String(finding.line)));
  }
  return parts.join(', ');
}

/** JupyterLab cuts a notification's text at 140 characters. */
const NOTICE_LENGTH = 140;

function shortPlace(trans: TranslationBundle, finding: IFinding): string {
  const where =
    finding.cellIndex !== null
      ? trans.__('cell %1', String(finding.cellIndex + 1))
      : (finding.field ?? trans.__('the file'));
  return `${where} ${finding.rule}`;
}

/** The one line shown after a save that was redacted; names cell and rule, fits a notification. */
export function redactedNotice(
  trans: TranslationBundle,
  path: string,
  findings: readonly IFinding[]
): string {
  const name = path.split('/').pop() ?? path;
  const all = [...new Set(findings.map(finding => shortPlace(trans, finding)))];
  const head = trans._n(
    'Saved. %1 secret kept out of %2: ',
    'Saved. %1 secrets kept out of %2: ',
    findings.length,
    name
  );
  for (let shown = all.length; shown > 0; shown--) {
    const rest = all.length - shown;
    const tail = rest ? trans.__(' and %1 more', String(rest)) : '';
    const line = head + all.slice(0, shown).join(', ') + tail;
    if (line.length <= NOTICE_LENGTH || shown === 1) {
      return line;
    }
  }
  return head;
}

/** A refusal's text, cut at the end of a sentence so that it fits a notification; *Why* shows all of it. */
export function refusedNotice(message: string): string {
  if (message.length <= NOTICE_LENGTH) {
    return message;
  }
  const end = message.lastIndexOf('. ', NOTICE_LENGTH - 1);
  return end > 0
    ? message.slice(0, end + 1)
    : `${message.slice(0, NOTICE_LENGTH - 1)}…`;
}

/** What happened to one finding. */
export function happened(trans: TranslationBundle, finding: IFinding): string {
  switch (finding.action) {
    case 'redact':
      return trans.__(
        'It was replaced by [REDACTED:%1:%2] in the file.',
        finding.rule,
        finding.id8
      );
    case 'block':
      return trans.__('It stopped the save. Nothing was written.');
    case 'hold':
      return trans.__(
        'It stopped the save until someone approves. Nothing was written.'
      );
    default:
      return trans.__('It was reported only. The file holds it.');
  }
}

/** How to get a value back; null where there is nothing to get back. */
export function recovery(
  trans: TranslationBundle,
  finding: IFinding,
  kept: boolean
): { readonly text: string; readonly command: string | null } | null {
  if (finding.action !== 'redact') {
    return null;
  }
  const source =
    finding.field === 'source' || finding.field?.startsWith('attachments.');
  if (!source) {
    return {
      text: trans.__(
        'Outputs and metadata are not kept: run the cell again to see the value.'
      ),
      command: null
    };
  }
  if (!kept) {
    return {
      text: trans.__(
        'The value was not kept. The editor still holds it until you reload.'
      ),
      command: null
    };
  }
  return {
    text: trans.__('The value is kept for you. In a terminal:'),
    command:
      finding.id8 === ZEROS
        ? 'qguard kept list'
        : `qguard kept reveal ${finding.id8}`
  };
}

/** Tells a refusal of the guard from any other failure of a save. */
export function isRefusal(httpStatus: number, message: string): boolean {
  if (httpStatus === 422) {
    return true;
  }
  // A proxy's own 503 carries no JSON message, and JupyterLab then makes one up that starts like this.
  return httpStatus === 503 && !message.startsWith('Invalid response:');
}

function identity(finding: IFinding): string {
  // No line: typing above a secret moves it, and that is not news.
  const where =
    finding.cellId ??
    (finding.cellIndex === null ? '' : String(finding.cellIndex));
  return [finding.rule, where, finding.field ?? '', finding.id8].join('\n');
}

/**
 * Remembers what was already said about each path, so that autosave says nothing twice.
 */
export class NoticeMemory {
  /** Whether these findings hold something that the last save of `path` did not. */
  redacted(path: string, findings: readonly IFinding[]): boolean {
    const now = new Set(findings.map(identity));
    const before = this._said.get(path);
    this._said.set(path, now);
    return !before || [...now].some(one => !before.has(one));
  }

  /** Whether this refusal differs from the last one of `path`. */
  refused(path: string, message: string): boolean {
    const now = new Set([`refused\n${message}`]);
    const before = this._said.get(path);
    this._said.set(path, now);
    return !before || [...now].some(one => !before.has(one));
  }

  /** A clean save: what comes next is news again. */
  clean(path: string): void {
    this._said.delete(path);
  }

  private _said = new Map<string, ReadonlySet<string>>();
}

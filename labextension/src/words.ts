/**
 * What a person reads about a save: places, notices, what happened and how to get a value back. Pure.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { ZEROS } from './model';
import type { IFinding, IHealth } from './model';

/** The doors in the order in which people meet them. */
const DOORS = [
  'save',
  'upload',
  'copy',
  'rename',
  'checkpoint',
  'restore',
  'download',
  'export'
];

/** A door in words; one that a newer server has added keeps its own name. */
function doorName(trans: TranslationBundle, door: string): string {
  switch (door) {
    case 'save':
      return trans.__('Save');
    case 'upload':
      return trans.__('Upload');
    case 'copy':
      return trans.__('Copy');
    case 'rename':
      return trans.__('Rename');
    case 'checkpoint':
      return trans.__('Checkpoint');
    case 'restore':
      return trans.__('Restore');
    case 'download':
      return trans.__('Download');
    case 'export':
      return trans.__('Export');
    default:
      return door;
  }
}

/** Every door and what it does now, known ones first. */
export function doorLines(
  trans: TranslationBundle,
  health: IHealth
): readonly { readonly holds: boolean; readonly text: string }[] {
  const names = Object.keys(health.doors);
  const known = DOORS.filter(door => names.includes(door));
  const rest = names.filter(door => !DOORS.includes(door)).sort();
  return [...known, ...rest].map(door => {
    const name = doorName(trans, door);
    const holds = health.doors[door] && health.status !== 'off';
    if (!holds) {
      return { holds, text: trans.__('%1: not guarded', name) };
    }
    return health.status === 'observing'
      ? { holds, text: trans.__('%1: reported only', name) }
      : { holds, text: trans.__('%1: guarded', name) };
  });
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

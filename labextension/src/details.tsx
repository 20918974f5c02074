/**
 * The bodies of the two dialogs: how the guard is doing, and why a save was changed or stopped.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { statusLabel, statusMeaning } from './model';
import { doorLines, happened, place, recovery } from './words';
import type { IDecision, IFinding, IHealth } from './model';

/** The command that tries every door. */
const CHECK = 'qguard doctor';

export interface IHealthDetailsProps {
  health: IHealth;
  trans: TranslationBundle;
}

export function HealthDetails(props: IHealthDetailsProps): JSX.Element {
  const { health, trans } = props;
  const doors = doorLines(trans, health);
  const on = health.status === 'observing' ? 'observing' : 'guarding';
  return (
    <div className="jp-QGuard-body">
      <p>
        <span
          className="jp-QGuard-dot"
          data-status={health.status}
          aria-hidden="true"
        />{' '}
        <strong>{statusLabel(trans, health)}.</strong>{' '}
        {statusMeaning(trans, health)}
      </p>
      {health.problems.length > 0 && (
        <>
          <h3>{trans.__('Problems')}</h3>
          <ul className="jp-QGuard-list">
            {health.problems.map(problem => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        </>
      )}
      {health.notices.length > 0 && (
        <>
          <h3>{trans.__('Good to know')}</h3>
          <ul className="jp-QGuard-list">
            {health.notices.map(notice => (
              <li key={notice}>{notice}</li>
            ))}
          </ul>
        </>
      )}
      {doors.length > 0 && (
        <>
          <h3>{trans.__('Doors')}</h3>
          <ul className="jp-QGuard-doors">
            {doors.map(({ holds, text }) => (
              <li key={text}>
                <span
                  className="jp-QGuard-dot"
                  data-status={holds ? on : 'off'}
                  aria-hidden="true"
                />
                {text}
              </li>
            ))}
          </ul>
        </>
      )}
      <p>
        {trans.__(
          'Opening a file, collaboration and terminals are not guarded in this version. A kernel runs as the same user as its server: this protects against accidents, not against intent.'
        )}
      </p>
      <p>
        {trans.__('To try every door, run this in a terminal:')}{' '}
        <code>{CHECK}</code>
      </p>
      {health.policyDigest && (
        <p className="jp-QGuard-muted">
          {trans.__(
            'Policy %1, jupyter-qguard %2',
            health.policyDigest.slice(0, 12),
            health.version
          )}
        </p>
      )}
    </div>
  );
}

export interface IWhyProps {
  path: string;
  /** What the save said: a finding list for a redaction, a sentence for a refusal. */
  findings: readonly IFinding[];
  refusal: string | null;
  kept: boolean;
  /** The recorded decision, where the server could be asked. */
  decision: IDecision | null;
  trans: TranslationBundle;
}

export function Why(props: IWhyProps): JSX.Element {
  const { path, findings, refusal, kept, decision, trans } = props;
  const time = decision?.time?.toLocaleString() ?? null;
  return (
    <div className="jp-QGuard-body">
      <p>
        {refusal ??
          trans._n(
            'The file %2 was saved without %1 secret. The editor still shows it; after a reload you see the marker.',
            'The file %2 was saved without %1 secrets. The editor still shows them; after a reload you see the markers.',
            findings.length,
            path
          )}
      </p>
      {refusal && (
        <p>
          {trans.__(
            'The file on disk is as it was, and the editor still holds your work. Take the value out of the notebook and save again.'
          )}
        </p>
      )}
      <ul className="jp-QGuard-list">
        {findings.map((finding, number) => (
          <Explained key={number} finding={finding} kept={kept} trans={trans} />
        ))}
      </ul>
      <p className="jp-QGuard-muted">
        {time && trans.__('Recorded %1.', time)}{' '}
        {trans.__('The rule and the policy behind it:')}{' '}
        <code>{`qguard policy explain ${shellQuote(path)}`}</code>
      </p>
    </div>
  );
}

interface IExplainedProps {
  finding: IFinding;
  kept: boolean;
  trans: TranslationBundle;
}

function Explained(props: IExplainedProps): JSX.Element {
  const { finding, kept, trans } = props;
  const back = recovery(trans, finding, kept);
  return (
    <li className="jp-QGuard-finding">
      <div>
        <strong>{finding.rule}</strong>{' '}
        <span className="jp-QGuard-where">{place(trans, finding)}</span>
      </div>
      {finding.why && <div>{finding.why}</div>}
      <div>{happened(trans, finding)}</div>
      {back && (
        <div>
          {back.text} {back.command && <code>{back.command}</code>}
        </div>
      )}
    </li>
  );
}

function shellQuote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replace(/'/g, `'\\''`)}'`;
}

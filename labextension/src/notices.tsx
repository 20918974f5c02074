/**
 * One quiet notice per save that was redacted or refused.
 */
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { getDecisions } from './api';
import { Why } from './details';
import { parseOutcome } from './model';
import {
  isRefusal,
  NoticeMemory,
  redactedNotice,
  refusedNotice,
  taken
} from './words';
import type { IDecision, IFinding } from './model';

/** Milliseconds for which a redaction's notice stays; it can be read later in the notification centre. */
const SHOWN = 15_000;

/** What a notice is about, kept for its *Why*. */
interface ISubject {
  path: string;
  findings: readonly IFinding[];
  refusal: string | null;
  kept: boolean;
}

export class SaveNotices {
  /**
   * @param byHand whether a person asked for the save that runs now (autosave must not repeat itself,
   *   a person who pressed Save must be told).
   */
  constructor(
    private _contents: Contents.IManager,
    private _trans: TranslationBundle,
    private _byHand: () => boolean
  ) {}

  /** Stands between the editor and the contents manager from now on. */
  attach(): void {
    const contents = this._contents;
    const save = contents.save.bind(contents);
    contents.save = async (path, options) => {
      const byHand = this._byHand();
      try {
        const model = await save(path, options);
        this._saved(path, model);
        return model;
      } catch (error) {
        throw this._failed(path, error, byHand);
      }
    };
  }

  private _saved(path: string, model: Contents.IModel): void {
    const outcome = parseOutcome(model);
    const findings = outcome ? taken(outcome.findings) : [];
    const refusal = this._refusals.get(path);
    if (refusal) {
      this._refusals.delete(path);
      Notification.dismiss(refusal);
    }
    if (!outcome || findings.length === 0) {
      this._memory.clean(path);
      return;
    }
    if (!this._memory.redacted(path, findings)) {
      return;
    }
    const subject = { path, findings, refusal: null, kept: outcome.kept };
    Notification.info(redactedNotice(this._trans, path, findings), {
      autoClose: SHOWN,
      actions: [this._whyAction(subject)]
    });
  }

  /** Returns the error that the editor gets to see. */
  private _failed(path: string, error: unknown, byHand: boolean): unknown {
    if (
      !(error instanceof ServerConnection.ResponseError) ||
      !isRefusal(error.response.status, error.message)
    ) {
      return error;
    }
    const news = this._memory.refused(path, error.message);
    if (news || byHand) {
      this._showRefusal(path, error.message);
    }
    // The editor swallows an error of this name: no dialog at every autosave, and the tab stays dirty.
    const quiet = new Error(error.message);
    quiet.name = 'ModalCancelError';
    return quiet;
  }

  private _showRefusal(path: string, message: string): void {
    const subject = { path, findings: [], refusal: message, kept: false };
    const options = {
      autoClose: false as const,
      actions: [this._whyAction(subject)]
    };
    const notice = refusedNotice(message);
    const id = this._refusals.get(path);
    if (
      id &&
      Notification.update({ id, message: notice, type: 'error', ...options })
    ) {
      return;
    }
    this._refusals.set(path, Notification.error(notice, options));
  }

  private _whyAction(subject: ISubject): Notification.IAction {
    return {
      label: this._trans.__('Why'),
      caption: this._trans.__('What was found, and what you can do'),
      displayType: 'link',
      callback: event => {
        // The notice stays: reading about it is not dismissing it.
        event.preventDefault();
        void this._explain(subject);
      }
    };
  }

  private async _explain(subject: ISubject): Promise<void> {
    const trans = this._trans;
    const decision = await this._decision(subject);
    const findings =
      subject.findings.length > 0
        ? subject.findings
        : taken(decision?.findings ?? []);
    await showDialog({
      title: subject.refusal
        ? trans.__('Why this was not saved')
        : trans.__('Why this was taken out'),
      body: (
        <Why
          path={subject.path}
          findings={findings}
          refusal={subject.refusal}
          kept={subject.kept}
          decision={decision}
          trans={trans}
        />
      ),
      buttons: [Dialog.okButton({ label: trans.__('Close') })]
    });
  }

  /** The newest recorded decision of the subject's kind; null where the server cannot be asked. */
  private async _decision(subject: ISubject): Promise<IDecision | null> {
    const refused = subject.refusal !== null;
    try {
      const all = await getDecisions(
        this._contents.serverSettings,
        this._contents.localPath(subject.path)
      );
      return (
        all.find(
          one =>
            (one.action === 'block' || one.action === 'hold') === refused &&
            taken(one.findings).length > 0
        ) ?? null
      );
    } catch (error) {
      // The notice itself says what and where; the record only adds the time.
      console.warn('jupyter-qguard: the record could not be read', error);
      return null;
    }
  }

  private _memory = new NoticeMemory();
  /** The notification of each path whose last save was refused. */
  private _refusals = new Map<string, string>();
}

/**
 * The item in JupyterLab's status bar, and in a notebook's toolbar where there is no status bar.
 */
import { TextItem } from '@jupyterlab/statusbar';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { HealthMonitor } from './health';
import { statusLabel, statusMeaning } from './model';

export class StatusItem extends ReactWidget {
  constructor(
    private _monitor: HealthMonitor,
    private _trans: TranslationBundle,
    private _open: () => void
  ) {
    super();
    this.addClass('jp-QGuard-status');
    this.addClass('jp-mod-highlighted');
  }

  protected render(): React.ReactElement {
    return (
      <UseSignal signal={this._monitor.changed}>
        {() => this._button()}
      </UseSignal>
    );
  }

  private _button(): React.ReactElement | null {
    const health = this._monitor.health;
    if (!health) {
      return null;
    }
    const label = statusLabel(this._trans, health);
    const meaning = [
      statusMeaning(this._trans, health),
      ...health.notices
    ].join('\n');
    return (
      <button
        type="button"
        className="jp-QGuard-button"
        title={meaning}
        aria-label={this._trans.__('Credential guard: %1. %2', label, meaning)}
        onClick={this._open}
      >
        <span
          className="jp-QGuard-dot"
          data-status={health.status}
          aria-hidden="true"
        />
        <TextItem source={label} />
      </button>
    );
  }
}

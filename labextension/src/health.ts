/**
 * Keeps the guard's health up to date without bothering the server.
 */
import type { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Poll } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { ApiError, getHealth } from './api';
import { unreachable } from './model';
import type { IHealth } from './model';

/** Milliseconds between two looks while the window is visible. */
const INTERVAL = 60_000;

export class HealthMonitor {
  constructor(
    private _settings: ServerConnection.ISettings,
    private _trans: TranslationBundle
  ) {
    this._poll = new Poll({
      name: 'jupyter-qguard:health',
      factory: () => this._look(),
      frequency: { interval: INTERVAL, backoff: true, max: 5 * INTERVAL },
      standby: 'when-hidden'
    });
  }

  /** The last answer; null before the first. */
  get health(): IHealth | null {
    return this._health;
  }

  /** Emitted after every look. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Looks now, and resolves when the answer is there. */
  async refresh(): Promise<void> {
    await this._poll.refresh();
    await this._poll.tick;
  }

  private async _look(): Promise<void> {
    try {
      this._health = await getHealth(this._settings);
    } catch (error) {
      const status = error instanceof ApiError ? error.status : null;
      this._health = unreachable(this._trans, status);
      if (status === null) {
        // A network error: let the poll back off.
        throw error;
      }
    } finally {
      this._changed.emit();
    }
  }

  private _changed = new Signal<this, void>(this);
  private _health: IHealth | null = null;
  private _poll: Poll;
}

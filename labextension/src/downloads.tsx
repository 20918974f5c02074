/**
 * Tells of a download that the server refuses. The browser itself shows a failed download and no reason.
 */
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ApiError, tryDownload } from './api';
import { isRefusal, refusedNotice } from './words';

/** The commands that download; the addresses of files are asked for by others too, who show or copy them. */
export const DOWNLOADS = ['docmanager:download', 'filebrowser:download'];

export class DownloadNotices {
  /** @param downloading whether one of the commands above runs now. */
  constructor(
    private _contents: Contents.IManager,
    private _trans: TranslationBundle,
    private _downloading: () => boolean
  ) {}

  /** Looks at every file that is about to be downloaded from now on. */
  attach(): void {
    const contents = this._contents;
    const getDownloadUrl = contents.getDownloadUrl.bind(contents);
    contents.getDownloadUrl = async path => {
      const url = await getDownloadUrl(path);
      if (this._downloading()) {
        // Before the browser asks: the server then remembers its verdict and judges once.
        const message = await this._refusal(url);
        if (message) {
          this._show(message);
        }
      }
      return url;
    };
  }

  /** What the server says against sending the file; null where it sends it, or something else is wrong. */
  private async _refusal(url: string): Promise<string | null> {
    const settings = this._contents.serverSettings;
    if (!url.startsWith(settings.baseUrl)) {
      return null; // another drive's
    }
    try {
      await tryDownload(settings, url);
    } catch (error) {
      if (error instanceof ApiError && isRefusal(error.status, error.message)) {
        return error.message || null;
      }
      // No reason to hold the download up: the browser will say what is wrong.
    }
    return null;
  }

  private _show(message: string): void {
    const trans = this._trans;
    Notification.error(refusedNotice(message), {
      autoClose: false,
      actions: [
        {
          label: trans.__('Why'),
          caption: trans.__('What was found, and what you can do'),
          displayType: 'link',
          callback: event => {
            event.preventDefault();
            void showDialog({
              title: trans.__('Why this was not downloaded'),
              body: (
                <div className="jp-QGuard-body">
                  <p>{message}</p>
                </div>
              ),
              buttons: [Dialog.okButton({ label: trans.__('Close') })]
            });
          }
        }
      ]
    });
  }
}

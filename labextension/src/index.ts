/**
 * Activation only: which parts stand where, in JupyterLab and in Notebook 7.
 */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Dialog, ICommandPalette, showDialog } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import * as React from 'react';

import { HealthDetails } from './details';
import { DownloadNotices, DOWNLOADS } from './downloads';
import { HealthMonitor } from './health';
import { SaveNotices } from './notices';
import { StatusItem } from './status';

const SHOW_STATUS = 'qguard:show-status';
const SAVES = ['docmanager:save', 'docmanager:save-all', 'docmanager:save-as'];

/** A document widget with a toolbar; all that is needed of a notebook panel. */
interface IWithToolbar {
  toolbar: { addItem(name: string, widget: Widget): boolean };
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-qguard:plugin',
  description: 'Shows how the credential guard is doing and what it did.',
  autoStart: true,
  optional: [ITranslator, IStatusBar, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    statusBar: IStatusBar | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_qguard');
    const { contents, serverSettings } = app.serviceManager;
    const monitor = new HealthMonitor(serverSettings, trans);

    app.commands.addCommand(SHOW_STATUS, {
      label: trans.__('Show Credential Guard Status'),
      caption: trans.__('What is guarded, and what is not'),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: async () => {
        await monitor.refresh();
        const health = monitor.health;
        if (health) {
          await showDialog({
            title: trans.__('Credential guard'),
            body: React.createElement(HealthDetails, { health, trans }),
            buttons: [Dialog.okButton({ label: trans.__('Close') })]
          });
        }
      }
    });
    palette?.addItem({ command: SHOW_STATUS, category: trans.__('Help') });

    const item = () =>
      new StatusItem(monitor, trans, () => {
        void app.commands.execute(SHOW_STATUS);
      });
    if (statusBar) {
      statusBar.registerStatusItem('jupyter-qguard:status', {
        item: item(),
        align: 'left',
        rank: 3
      });
    } else {
      app.docRegistry.addWidgetExtension('Notebook', {
        createNew: panel => {
          const widget = item();
          (panel as unknown as IWithToolbar).toolbar.addItem(
            'qguard-status',
            widget
          );
          return widget;
        }
      });
    }

    /** Tells whether one of these commands runs now. */
    const running = (ids: readonly string[]) => {
      let count = 0;
      app.commands.commandExecuted.connect((_, { id, result }) => {
        if (ids.includes(id)) {
          count++;
          void Promise.allSettled([result]).then(() => count--);
        }
      });
      return () => count > 0;
    };
    new SaveNotices(contents, trans, running(SAVES)).attach();
    new DownloadNotices(contents, trans, running(DOWNLOADS)).attach();
  }
};

export default plugin;

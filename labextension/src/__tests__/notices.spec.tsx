import { Notification } from '@jupyterlab/apputils';
import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

import { SaveNotices } from '../notices';
import { row, trans } from './fake';

type Reply = Record<string, unknown> | Error;

/** A contents manager that answers what the test wants. */
class FakeContents {
  serverSettings = ServerConnection.makeSettings();
  next: Reply = {};

  localPath(path: string): string {
    return path;
  }

  async save(path: string): Promise<unknown> {
    if (this.next instanceof Error) {
      throw this.next;
    }
    return { path, ...this.next };
  }
}

function refusal(status: number, message: string): Error {
  const response = new Response('', { status });
  return new ServerConnection.ResponseError(response, message);
}

function redacted(...findings: unknown[]): Reply {
  return { qguard: { action: 'redact', findings, kept: true, message: '' } };
}

describe('SaveNotices', () => {
  let contents: FakeContents;
  let byHand: boolean;
  let changes: string[];
  const save = () => (contents as unknown as Contents.IManager).save('a.ipynb');
  const onChange = (_: unknown, change: Notification.IChange) => {
    changes.push(change.type);
  };

  beforeEach(() => {
    Notification.dismiss();
    contents = new FakeContents();
    byHand = false;
    changes = [];
    new SaveNotices(
      contents as unknown as Contents.IManager,
      trans,
      () => byHand
    ).attach();
    Notification.manager.changed.connect(onChange);
  });

  afterEach(() => {
    Notification.manager.changed.disconnect(onChange);
  });

  const shown = () =>
    Notification.manager.notifications.map(one => one.message);

  it('says nothing about a clean save and hands on the model', async () => {
    contents.next = { name: 'a.ipynb' };
    expect(await save()).toEqual({ path: 'a.ipynb', name: 'a.ipynb' });
    expect(changes).toEqual([]);
  });

  it('says a redaction once, naming cell and rule, with Why', async () => {
    contents.next = redacted(row());
    await save();
    await save();
    await save();
    expect(shown()).toEqual([
      'Saved. 1 secret kept out of a.ipynb: cell 3 dwave-token'
    ]);
    expect(changes).toEqual(['added']);
    const [notice] = Notification.manager.notifications;
    expect(notice.options.actions?.map(action => action.label)).toEqual([
      'Why'
    ]);
    expect(notice.options.autoClose).toBeGreaterThan(0);
  });

  it('does not speak of what only warns', async () => {
    contents.next = redacted(row({ action: 'warn' }));
    await save();
    expect(changes).toEqual([]);
  });

  it('speaks again when another secret is found', async () => {
    contents.next = redacted(row());
    await save();
    contents.next = redacted(row(), row({ cell_id: 'cd34', cell_index: 5 }));
    await save();
    expect(changes).toEqual(['added', 'added']);
  });

  it.each([422, 503])('turns a refusal (%d) quiet', async status => {
    contents.next = refusal(status, 'Not saved: 1 secret found.');
    const failure = await save().catch(error => error);
    // The name that the editor swallows: no dialog.
    expect(failure.name).toBe('ModalCancelError');
    expect(failure.message).toBe('Not saved: 1 secret found.');
    expect(shown()).toEqual(['Not saved: 1 secret found.']);
    expect(Notification.manager.notifications[0].options.autoClose).toBe(false);
  });

  it('says the same refusal once to autosave, again to a person', async () => {
    contents.next = refusal(422, 'Not saved.');
    await save().catch(() => undefined);
    await save().catch(() => undefined);
    expect(changes).toEqual(['added']);
    byHand = true;
    await save().catch(() => undefined);
    expect(changes).toEqual(['added', 'updated']);
    Notification.dismiss();
    changes.length = 0;
    await save().catch(() => undefined);
    expect(changes).toEqual(['added']);
    expect(shown()).toEqual(['Not saved.']);
  });

  it('keeps a dismissed refusal away from autosave', async () => {
    contents.next = refusal(422, 'Not saved.');
    await save().catch(() => undefined);
    Notification.dismiss();
    await save().catch(() => undefined);
    expect(shown()).toEqual([]);
  });

  it('takes the refusal back once the file is saved', async () => {
    contents.next = refusal(422, 'Not saved.');
    await save().catch(() => undefined);
    contents.next = {};
    await save();
    expect(shown()).toEqual([]);
  });

  it('leaves every other failure alone', async () => {
    const others = [
      refusal(500, 'disk full'),
      refusal(503, 'Invalid response: 503 Service Unavailable'),
      new TypeError('network')
    ];
    for (const other of others) {
      contents.next = other;
      expect(await save().catch(error => error)).toBe(other);
    }
    expect(changes).toEqual([]);
  });
});

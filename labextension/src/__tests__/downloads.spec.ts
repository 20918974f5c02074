import { Notification } from '@jupyterlab/apputils';
import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

import { DownloadNotices } from '../downloads';
import { trans } from './fake';

const BASE = 'http://127.0.0.1:1/base/';
const REFUSED = {
  message: 'Not downloaded: 1 secret found (cell 1, line 1: dwave-token).'
};

describe('DownloadNotices', () => {
  let asked: Request[];
  let downloading: boolean;

  /** Asks for the address of a file that the server answers like this; returns the address and what is shown. */
  async function download(
    status: number,
    body: unknown,
    url = `${BASE}files/a.ipynb`
  ) {
    const serverSettings = ServerConnection.makeSettings({
      baseUrl: BASE,
      fetch: async (request: RequestInfo) => {
        asked.push(request as Request);
        if (status === 0) {
          throw new TypeError('network');
        }
        return new Response(
          typeof body === 'string' ? body : JSON.stringify(body),
          { status }
        );
      }
    });
    const contents = {
      serverSettings,
      getDownloadUrl: async () => url
    } as unknown as Contents.IManager;
    new DownloadNotices(contents, trans, () => downloading).attach();
    expect(await contents.getDownloadUrl('a.ipynb')).toBe(url);
    return Notification.manager.notifications.map(one => one.message);
  }

  beforeEach(() => {
    Notification.dismiss();
    asked = [];
    downloading = true;
  });

  it.each([422, 503])('tells why the server refuses (%d)', async status => {
    expect(await download(status, REFUSED)).toEqual([REFUSED.message]);
    const [notice] = Notification.manager.notifications;
    expect(notice.options.autoClose).toBe(false);
    expect(notice.options.actions?.map(one => one.label)).toEqual(['Why']);
    expect(asked).toHaveLength(1);
    expect(asked[0].headers.get('Accept')).toBe('application/json');
    expect(asked[0].headers.get('Range')).toBe('bytes=0-0');
  });

  it('says nothing about a file that is sent', async () => {
    expect(await download(206, '{')).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it.each([
    [0, ''],
    [404, { message: 'Not Found' }],
    [500, { message: 'broken' }],
    [503, '<html>of a proxy</html>'],
    [422, { detail: 'no message' }]
  ])(
    'holds nothing up when something else is wrong (%d)',
    async (status, body) => {
      expect(await download(status, body)).toEqual([]);
    }
  );

  it('does not look at addresses that are not downloaded', async () => {
    downloading = false;
    expect(await download(422, REFUSED)).toEqual([]);
    expect(asked).toEqual([]);
  });

  it('asks no other server', async () => {
    const url = 'https://store.example/a.ipynb';
    expect(await download(422, REFUSED, url)).toEqual([]);
    expect(asked).toEqual([]);
  });
});

import { ServerConnection } from '@jupyterlab/services';
import { Widget } from '@lumino/widgets';

import { getDecisions, getHealth } from '../api';
import { HealthMonitor } from '../health';
import { StatusItem } from '../status';
import { trans } from './fake';

/** Server settings whose requests are answered here. */
function server(status: number, body: unknown) {
  const asked: string[] = [];
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://127.0.0.1:1/base/',
    fetch: async (request: RequestInfo) => {
      asked.push((request as Request).url);
      return new Response(JSON.stringify(body), { status });
    }
  });
  return { settings, asked };
}

const GUARDING = {
  status: 'guarding',
  version: '0.1.0',
  policy_digest: 'd',
  doors: { save: true },
  problems: []
};

describe('api', () => {
  it('asks under the base URL and quotes the path', async () => {
    const { settings, asked } = server(200, { decisions: [] });
    await getDecisions(settings, 'a b/é&.ipynb');
    expect(asked[0]).toContain(
      'http://127.0.0.1:1/base/qguard/api/decisions?path=a%20b%2F%C3%A9%26.ipynb'
    );
  });

  it('raises what the server says', async () => {
    const { settings } = server(403, { message: 'no' });
    await expect(getHealth(settings)).rejects.toMatchObject({
      status: 403,
      message: 'no'
    });
  });
});

describe('StatusItem', () => {
  async function shown(status: number, body: unknown) {
    const { settings } = server(status, body);
    const monitor = new HealthMonitor(settings, trans);
    const open = jest.fn();
    const item = new StatusItem(monitor, trans, open);
    Widget.attach(item, document.body);
    await monitor.refresh();
    await item.renderPromise;
    await new Promise(resolve => requestAnimationFrame(resolve));
    const button = item.node.querySelector('button')!;
    return { button, open, item };
  }

  it('says guarding, for the eye and for a screen reader', async () => {
    const { button, open, item } = await shown(200, GUARDING);
    expect(button.textContent).toBe('Guarding');
    expect(button.getAttribute('aria-label')).toContain('Credential guard');
    button.click();
    expect(open).toHaveBeenCalledTimes(1);
    item.dispose();
  });

  it('tells why it is degraded in the tooltip', async () => {
    const { button, item } = await shown(200, {
      ...GUARDING,
      status: 'degraded',
      problems: ['the policy file has a typo']
    });
    expect(button.textContent).toBe('Guard degraded');
    expect(button.title).toContain('the policy file has a typo');
    item.dispose();
  });

  it('says off where the server has no guard', async () => {
    const { button, item } = await shown(404, { message: 'Not Found' });
    expect(button.textContent).toBe('Guard off');
    item.dispose();
  });
});

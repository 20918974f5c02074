import { ServerConnection } from '@jupyterlab/services';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import { getDecisions, getHealth } from '../api';
import { HealthDetails } from '../details';
import { HealthMonitor } from '../health';
import { parseHealth } from '../model';
import { StatusItem } from '../status';
import { ALL_DOORS, PAUSED, trans } from './fake';

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

/** Resolves when React has put an element there, in however many frames. */
function rendered(node: HTMLElement, selector: string): Promise<HTMLElement> {
  return new Promise(resolve => {
    const look = () => {
      const found = node.querySelector<HTMLElement>(selector);
      if (found) {
        observer.disconnect();
        resolve(found);
      }
    };
    const observer = new MutationObserver(look);
    observer.observe(node, { childList: true, subtree: true });
    look();
  });
}

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
    const button = await rendered(item.node, 'button');
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

  it('tells in the tooltip until when it is paused, and by whom', async () => {
    const { button, item } = await shown(200, {
      ...GUARDING,
      status: 'observing',
      notices: [PAUSED]
    });
    expect(button.textContent).toBe('Observing (paused)');
    expect(button.title).toContain('paused until 2027-01-31 09:30 UTC by ada');
    expect(button.title).not.toContain('does not work');
    item.dispose();
  });

  it('says off where the server has no guard', async () => {
    const { button, item } = await shown(404, { message: 'Not Found' });
    expect(button.textContent).toBe('Guard off');
    item.dispose();
  });
});

describe('HealthDetails', () => {
  async function body(reply: object): Promise<HTMLElement> {
    const health = parseHealth({ ...GUARDING, ...reply });
    const widget = ReactWidget.create(
      <HealthDetails health={health} trans={trans} />
    );
    Widget.attach(widget, document.body);
    return rendered(widget.node, '.jp-QGuard-body');
  }

  it('lists every door in words', async () => {
    const doors = Object.fromEntries(ALL_DOORS.map(door => [door, true]));
    const node = await body({ doors });
    const lines = node.querySelectorAll('.jp-QGuard-doors li');
    expect(lines).toHaveLength(8);
    expect(lines[6].textContent).toBe('Download: guarded');
    expect(lines[7].textContent).toBe('Export: guarded');
  });

  it('tells notices apart from problems', async () => {
    const paused = await body({ status: 'observing', notices: [PAUSED] });
    const heads = [...paused.querySelectorAll('h3')].map(h => h.textContent);
    expect(heads).toEqual(['Good to know', 'Doors']);
    expect(paused.textContent).toContain(PAUSED);
    expect(paused.textContent).toContain('The guard is paused');
    expect(paused.textContent).not.toContain('degraded');
    expect((await body({})).querySelectorAll('h3')).toHaveLength(1);
  });
});

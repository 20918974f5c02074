import { expect, test } from '@jupyterlab/galata';
import type { Download, Page } from '@playwright/test';
import { readFileSync, writeFileSync } from 'fs';
import { join } from 'path';

import { dwaveToken, filesWith, picture, plant, ROOT, toasts } from './helpers';

const MARKER = /\[REDACTED:dwave-[a-z-]+:[0-9a-f]{8}\]/;
const EXPORT = 'File>Save and Export Notebook As>HTML';

async function content(download: Download): Promise<string> {
  return readFileSync(await download.path(), 'utf-8');
}

/** Says yes to JupyterLab's question whether to sanitize the page. */
async function agree(page: Page): Promise<void> {
  await page.locator('.jp-Dialog').getByRole('button', { name: 'Ok' }).click();
}

test('what leaves is clean, and a refusal can be read', async ({
  page,
  tmpPath
}) => {
  const token = dwaveToken();
  const path = `${tmpPath}/demo.ipynb`;
  await page.notebook.createNew('demo.ipynb');
  await page.notebook.setCell(0, 'code', 'token = input()');
  await page.notebook.save();
  // Written by another program. Nothing is unsaved here, so no save of JupyterLab cleans it on the way.
  plant(path, `token = "${token}"`);

  const file = page.waitForEvent('download');
  await page.menu.clickMenuItem('File>Download');
  const notebook = await content(await file);
  expect(notebook).toMatch(MARKER);
  expect(notebook).not.toContain(token);

  const html = page.waitForEvent('download');
  await page.menu.clickMenuItem(EXPORT);
  await agree(page);
  const exported = await content(await html);
  expect(exported).toContain('<html');
  expect(exported).toMatch(MARKER);
  expect(exported).not.toContain(token);
  expect(filesWith(ROOT, token)).toEqual([join(ROOT, path)]);
  await expect(toasts(page, 'Not downloaded')).toHaveCount(0);

  writeFileSync(
    join(ROOT, tmpPath, 'qguard.toml'),
    'version = 1\n\n[doors]\ndownload = { source = "block" }\nexport = { source = "block" }\n'
  );
  const opened = page.context().waitForEvent('page');
  await page.menu.clickMenuItem(EXPORT);
  await agree(page);
  const tab = await opened;
  await expect(tab.getByRole('heading', { level: 1 })).toHaveText('Not exported');
  await expect(tab.locator('main')).toContainText('cell 1, line 1: dwave-');
  await expect(tab.locator('main')).toContainText('What to do next');
  await expect(tab.locator('main')).not.toContainText(token);
  // Styled, although the server's policy puts the page into a sandbox; and nothing runs out of the window.
  await expect(tab.locator('main')).toHaveCSS('max-width', '560px');
  expect(
    await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  ).toBeLessThanOrEqual(0);
  await picture(tab, 'refused-export');
  await tab.close();

  // The browser only shows a download that failed: the reason is ours to tell.
  await page.menu.clickMenuItem('File>Download');
  const notice = toasts(page, 'Not downloaded');
  await expect(notice).toHaveCount(1);
  await expect(notice).toContainText('cell 1, line 1: dwave-');
  await notice.getByRole('button', { name: 'Why' }).click();
  const dialog = page.locator('.jp-Dialog');
  await expect(dialog).toContainText('qguard policy explain');
  await expect(dialog).not.toContainText(token);
  await picture(page, 'refused-download');
});

// Plain Playwright: galata's own page waits for JupyterLab, and Notebook 7 has pages of its own.
import { expect, test } from '@playwright/test';
import { mkdirSync } from 'fs';
import { join } from 'path';

import { dwaveToken, filesWith, picture, plant, ROOT, saved, settled, toasts } from './helpers';

test('Notebook 7 shows the guard in the toolbar and tells of a save', async ({
  page
}, info) => {
  const token = dwaveToken();
  const folder = `notebook7-${info.retry}`;
  const path = `${folder}/seven.ipynb`;
  mkdirSync(join(ROOT, folder), { recursive: true });
  // Put there by another program, past the guard: found at the next save.
  plant(path, `token = "${token}"`);
  await page.goto(`notebooks/${path}`);

  const item = page.locator('.jp-NotebookPanel-toolbar .jp-QGuard-button');
  await expect(item).toHaveText('Guarding');

  await page.locator('.jp-Cell .cm-content').first().click();
  await page.keyboard.press('End');
  await page.keyboard.type('  # mine');
  const answer = saved(page, path);
  await page.keyboard.press('Control+s');
  expect((await answer).ok()).toBe(true);
  const notice = toasts(page, 'kept out of seven.ipynb');
  await expect(notice).toHaveCount(1);
  await settled(notice);
  await picture(page, 'notebook7');
  expect(filesWith(join(ROOT, folder), token)).toEqual([]);

  await item.click();
  const dialog = page.locator('.jp-Dialog');
  await expect(dialog).toContainText('Save: guarded');
  await dialog.getByRole('button', { name: 'Close' }).click();
});

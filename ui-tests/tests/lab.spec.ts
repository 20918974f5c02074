import { expect, test } from '@jupyterlab/galata';
import { mkdirSync, writeFileSync } from 'fs';
import { join } from 'path';

import {
  DATA,
  dirtyTab,
  dwaveToken,
  filesWith,
  picture,
  ROOT,
  saved,
  settled,
  toasts
} from './helpers';

const STATUS = '.jp-StatusBar-Widget .jp-QGuard-button';

test('the status bar says that the guard stands', async ({ page }) => {
  const item = page.locator(STATUS);
  await expect(item).toHaveText('Guarding');
  await expect(item).toHaveAttribute('aria-label', /Credential guard: Guarding/);

  // By keyboard alone, as by mouse.
  await item.focus();
  await page.keyboard.press('Enter');
  const dialog = page.locator('.jp-Dialog');
  await expect(dialog).toContainText('Credential guard');
  await expect(dialog).toContainText('Save: guarded');
  await expect(dialog).toContainText('Download: guarded');
  await expect(dialog).toContainText('Export: guarded');
  await expect(dialog).toContainText('qguard doctor');
  await expect(dialog).toContainText('not guarded in this version');
  await picture(page, 'status-dialog');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(dialog).toHaveCount(0);
});

for (const theme of ['light', 'dark']) {
  test.describe(theme, () => {
    // Shown in the pictures of the docs.
    test.use({
      // eslint-disable-next-line no-empty-pattern
      tmpPath: async ({}, use) => {
        const folder = `experiments-${theme}`;
        mkdirSync(join(ROOT, folder), { recursive: true });
        await use(folder);
      }
    });

    test('a save without its secret is told once', async ({
    page,
    tmpPath
  }) => {
    if (theme === 'dark') {
      await page.theme.setDarkTheme();
    }
    const token = dwaveToken();
    const path = `${tmpPath}/vqe.ipynb`;
    await page.notebook.createNew('vqe.ipynb');
    await page.notebook.setCell(
      0,
      'code',
      `from dwave.system import DWaveSampler\nsampler = DWaveSampler(token="${token}")`
    );

    const answer = saved(page, path);
    await page.notebook.save();
    expect((await answer).ok()).toBe(true);

    const notice = toasts(page, 'kept out of vqe.ipynb');
    await expect(notice).toHaveCount(1);
    await expect(notice).toContainText('cell 1');
    await expect(notice).toContainText('dwave');
    await settled(notice);
    await picture(page, `notice-${theme}`);

    // Nothing on disk, checkpoints and the guard's own folder included; the editor keeps the text.
    expect(filesWith(ROOT, token)).toEqual([]);
    expect(filesWith(DATA, token)).toEqual([]);
    const marker = /\[REDACTED:dwave-[a-z-]+:[0-9a-f]{8}\]/;
    expect(filesWith(join(ROOT, tmpPath), 'REDACTED')).not.toEqual([]);
    expect(await page.notebook.getCellTextInput(0)).toContain(token);
    await expect(dirtyTab(page, 'vqe.ipynb')).toHaveCount(0);

    await notice.getByRole('button', { name: 'Why' }).click();
    const dialog = page.locator('.jp-Dialog');
    await expect(dialog).toContainText('cell 1, line 2');
    await expect(dialog).toContainText(marker);
    await expect(dialog).toContainText(/qguard kept reveal [0-9a-f]{8}/);
    await expect(dialog).not.toContainText(token);
    await picture(page, `why-${theme}`);
    await dialog.getByRole('button', { name: 'Close' }).click();

    // The same secret again is no news.
    await page.notebook.addCell('code', 'print("more")');
    const again = saved(page, path);
    await page.notebook.save();
    expect((await again).ok()).toBe(true);
    await expect(dirtyTab(page, 'vqe.ipynb')).toHaveCount(0);
    await expect(notice).toHaveCount(1);

    // What a reload shows is what lies on disk.
    await page.notebook.revertChanges();
    await expect
      .poll(() => page.notebook.getCellTextInput(0))
      .toMatch(marker);
    expect(await page.notebook.getCellTextInput(0)).not.toContain(token);
    });
  });
}

test('a refused save is told once, without a dialog, and loses nothing', async ({
  page,
  tmpPath
}) => {
  writeFileSync(
    join(ROOT, tmpPath, 'qguard.toml'),
    'version = 1\n\n[content]\nsource = "block"\n'
  );
  const token = dwaveToken();
  const path = `${tmpPath}/blocked.ipynb`;
  await page.notebook.createNew('blocked.ipynb');
  await page.notebook.setCell(0, 'code', `token = "${token}"`);

  const notice = toasts(page, 'Not saved');
  for (let time = 0; time < 3; time++) {
    const answer = saved(page, path);
    // Not page.notebook.save(): that one waits for a tab without its mark.
    await page.keyboard.press('Control+s');
    expect((await answer).status()).toBe(422);
    await expect(notice).toHaveCount(1);
  }
  await expect(notice).toContainText('cell 1');
  await expect(page.locator('.jp-Dialog')).toHaveCount(0);
  await expect(dirtyTab(page, 'blocked.ipynb')).toHaveCount(1);
  await settled(notice);
  await picture(page, 'refused');
  expect(filesWith(ROOT, token)).toEqual([]);
  expect(await page.notebook.getCellTextInput(0)).toContain(token);

  await notice.getByRole('button', { name: 'Why' }).click();
  const dialog = page.locator('.jp-Dialog');
  await expect(dialog).toContainText('Why this was not saved');
  await expect(dialog).not.toContainText(token);
  await picture(page, 'why-refused');
  await dialog.getByRole('button', { name: 'Close' }).click();

  // With the secret gone the save goes through and the notice goes away.
  await page.notebook.setCell(0, 'code', 'token = input()');
  const answer = saved(page, path);
  await page.notebook.save();
  expect((await answer).ok()).toBe(true);
  await expect(dirtyTab(page, 'blocked.ipynb')).toHaveCount(0);
  await expect(notice).toHaveCount(0);
});

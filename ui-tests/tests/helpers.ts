/**
 * What the browser tests share: worthless credentials made up at this moment, and a look at the disk.
 */
import type { IJupyterLabPageFixture } from '@jupyterlab/galata';
import type { Locator, Page } from '@playwright/test';
import { randomBytes } from 'crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync
} from 'fs';
import { join } from 'path';

/** The server's root folder. */
export const ROOT = join(process.env.QGUARD_UI_ROOT!, 'notebooks');

/** The guard's own folder: ledger, kept values. */
export const DATA = join(process.env.QGUARD_UI_ROOT!, 'qguard');

/** Shaped like a D-Wave Leap token; opens nothing. */
export function dwaveToken(): string {
  return `DEV-${randomBytes(20).toString('hex')}`;
}

/** Writes a notebook of one cell as another program would, past the guard. `path` is below the root. */
export function plant(path: string, source: string): void {
  const cell = {
    id: 'one',
    cell_type: 'code',
    execution_count: null,
    metadata: {},
    outputs: [],
    source
  };
  writeFileSync(
    join(ROOT, path),
    JSON.stringify({
      cells: [cell],
      metadata: { kernelspec: { name: 'python3', display_name: 'Python 3' } },
      nbformat: 4,
      nbformat_minor: 5
    })
  );
}

/** Every file under `folder` that holds `text`, checkpoints and databases included. */
export function filesWith(folder: string, text: string): string[] {
  if (!existsSync(folder)) {
    return [];
  }
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return filesWith(path, text);
    }
    return entry.isFile() && readFileSync(path).includes(text) ? [path] : [];
  });
}

/** The toasts of the guard. */
export function toasts(page: Page, text: string): Locator {
  return page.locator('.Toastify__toast', { hasText: text });
}

/** Resolves when the server has answered the next save. */
export function saved(page: Page, path: string) {
  return page.waitForResponse(
    response =>
      response.request().method() === 'PUT' &&
      decodeURI(response.url()).includes(`/api/contents/${path}`)
  );
}

/** Whether the notebook's tab shows that something is unsaved. */
export function dirtyTab(page: IJupyterLabPageFixture, name: string): Locator {
  return page.locator('#jp-main-dock-panel .lm-TabBar-tab.jp-mod-dirty', {
    hasText: name
  });
}

/** Waits until a toast has come to rest; a pointer over it also keeps it from leaving. */
export async function settled(notice: Locator): Promise<void> {
  await notice.getByRole('button', { name: 'Why' }).hover();
}

/** Writes a picture for the docs where `QGUARD_DOCS_IMAGES` names a folder. */
export async function picture(
  target: Page | Locator,
  name: string
): Promise<void> {
  const folder = process.env.QGUARD_DOCS_IMAGES;
  if (folder) {
    mkdirSync(folder, { recursive: true });
    await target.screenshot({ path: join(folder, `${name}.png`) });
  }
}

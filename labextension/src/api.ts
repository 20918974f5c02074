/**
 * The only file that talks to the server.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { parseDecisions, parseHealth } from './model';
import type { IDecision, IHealth } from './model';

/** A reply other than 200; `status` is the HTTP status, the text is the server's message. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string
  ) {
    super(message);
  }
}

/** How the guard is doing. Raises ApiError, or a network error. */
export async function getHealth(
  settings: ServerConnection.ISettings
): Promise<IHealth> {
  return parseHealth(await get(settings, 'health'));
}

/** The last decisions on `path` (relative to the server's root), newest first. Raises like getHealth. */
export async function getDecisions(
  settings: ServerConnection.ISettings,
  path: string
): Promise<readonly IDecision[]> {
  const query = URLExt.objectToQueryString({ path });
  return parseDecisions(await get(settings, `decisions${query}`));
}

/** Asks for one byte of the file at `url`, so as to hear whether it may leave. Raises like getHealth. */
export async function tryDownload(
  settings: ServerConnection.ISettings,
  url: string
): Promise<void> {
  const headers = { Accept: 'application/json', Range: 'bytes=0-0' };
  const response = await ask(settings, url, { headers });
  await response.body?.cancel(); // where all of it comes nevertheless
}

async function get(
  settings: ServerConnection.ISettings,
  route: string
): Promise<unknown> {
  const url = URLExt.join(settings.baseUrl, 'qguard', 'api', route);
  return (await ask(settings, url)).json();
}

async function ask(
  settings: ServerConnection.ISettings,
  url: string,
  init: RequestInit = {}
): Promise<Response> {
  const response = await ServerConnection.makeRequest(
    url,
    { ...init, method: 'GET' },
    settings
  );
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new ApiError(response.status, String(body?.message ?? ''));
  }
  return response;
}

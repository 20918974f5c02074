// The browser of the system, one worker, and a server with a root folder and a data folder of its own.
const { mkdtempSync } = require('fs');
const { tmpdir } = require('os');
const { join } = require('path');

process.env.PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD = '1';
const base = require('@jupyterlab/galata/lib/playwright-config');

const PORT = process.env.QGUARD_UI_PORT || '18988';

// Workers load this file again: the first load decides.
process.env.QGUARD_UI_ROOT ||= mkdtempSync(join(tmpdir(), 'qguard-ui-'));
const root = process.env.QGUARD_UI_ROOT;

module.exports = {
  ...base,
  testDir: './tests',
  outputDir: './test-results',
  timeout: 90000,
  workers: 1,
  retries: process.env.CI ? 1 : 0,
  reporter: process.env.PLAYWRIGHT_JSON_OUTPUT_FILE
    ? [
        ['list'],
        ['json', { outputFile: process.env.PLAYWRIGHT_JSON_OUTPUT_FILE }]
      ]
    : [['list']],
  use: {
    ...base.use,
    baseURL: `http://127.0.0.1:${PORT}`,
    viewport: { width: 1280, height: 800 },
    video: 'off',
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      chromiumSandbox: false,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync'
      ]
    }
  },
  webServer: {
    command: `jupyter lab --config ${join(__dirname, 'jupyter_server_test_config.py')} --ServerApp.port=${PORT}`,
    cwd: root,
    env: {
      HOME: root,
      JUPYTERLAB_GALATA_ROOT_DIR: join(root, 'notebooks'),
      JUPYTER_CONFIG_DIR: join(root, 'config'),
      JUPYTER_DATA_DIR: join(root, 'data'),
      JUPYTER_RUNTIME_DIR: join(root, 'runtime'),
      QGUARD_DATA_DIR: join(root, 'qguard'),
      PYTHON_KEYRING_BACKEND: 'keyring.backends.fail.Keyring'
    },
    url: `http://127.0.0.1:${PORT}/lab`,
    timeout: 120000,
    reuseExistingServer: false,
    gracefulShutdown: { signal: 'SIGTERM', timeout: 10000 },
    stdout: 'ignore',
    stderr: 'pipe'
  }
};

require('fs').mkdirSync(join(root, 'notebooks'), { recursive: true });

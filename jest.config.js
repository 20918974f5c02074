// @jupyterlab/testing gives jsdom, css and svg stubs and polyfills.
const base = require('@jupyterlab/testing/lib/jest-config')(__dirname);

// Dependencies that ship as ES modules only, so that babel has to turn them into CommonJS.
const esm = [
  '@codemirror',
  '@lezer',
  '@marijn',
  'style-mod',
  'crelt',
  'w3c-keyname',
  '@jupyter',
  '@jupyterlab',
  '@lumino',
  '@microsoft',
  'exenv-es6',
  'lib0',
  'nanoid',
  'y-protocols',
  'yjs',
  'internmap',
  'delaunator',
  'vscode-ws-jsonrpc'
].join('|');

module.exports = {
  ...base,
  automock: false,
  roots: ['<rootDir>/labextension/src'],
  testRegex: '/__tests__/.*\\.spec\\.tsx?$',
  transform: {
    ...base.transform,
    '^.+\\.tsx?$': ['ts-jest', { tsconfig: 'tsconfig.test.json' }]
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esm})).+`],
  collectCoverage: false,
  reporters: ['default']
};

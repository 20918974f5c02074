import js from '@eslint/js';
import jupyter from '@jupyter/eslint-plugin';
import prettier from 'eslint-plugin-prettier/recommended';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['**/*.js', '**/*.d.ts', '**/*.mjs', 'lib', 'node_modules'] },
  js.configs.recommended,
  tseslint.configs.recommended,
  { plugins: { jupyter } },
  jupyter.configs.recommended,
  prettier,
  {
    rules: {
      '@typescript-eslint/naming-convention': [
        'error',
        {
          selector: 'interface',
          format: ['PascalCase'],
          custom: { regex: '^I[A-Z]', match: true }
        }
      ],
      '@typescript-eslint/no-unused-vars': ['error', { args: 'none' }],
      '@typescript-eslint/no-explicit-any': 'off',
      curly: ['error', 'all'],
      eqeqeq: 'error',
      // The whole bundle is a few kilobytes and all of it is needed at start.
      'jupyter/prefer-lazy-imports': 'off',
      // Only api.ts talks to the server: one place to look at for what leaves the browser.
      'no-restricted-globals': ['error', 'fetch'],
      'no-restricted-properties': [
        'error',
        {
          object: 'ServerConnection',
          property: 'makeRequest',
          message: 'Requests are made in api.ts only.'
        }
      ]
    }
  },
  {
    // A Notebook 7 page has no galata helpers.
    files: ['ui-tests/tests/notebook7.spec.ts'],
    rules: { 'jupyter/galata-prefer-notebook-cell-helper': 'off' }
  },
  {
    files: ['labextension/src/api.ts'],
    rules: { 'no-restricted-properties': 'off' }
  }
);

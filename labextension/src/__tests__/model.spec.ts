import {
  parseDecisions,
  parseHealth,
  parseOutcome,
  pauseOf,
  statusLabel,
  statusMeaning,
  unreachable
} from '../model';
import {
  doorLines,
  happened,
  isRefusal,
  NoticeMemory,
  place,
  recovery,
  redactedNotice,
  refusedNotice,
  taken
} from '../words';
import { ALL_DOORS, finding, PAUSED, row, trans } from './fake';

describe('health', () => {
  it('is read from the reply', () => {
    const health = parseHealth({
      status: 'guarding',
      version: '0.1.0',
      policy_digest: 'abc',
      doors: { save: true, upload: false },
      problems: [],
      notices: ['QGUARD_ADMIN_POLICY is ignored.']
    });
    expect(health).toEqual({
      status: 'guarding',
      version: '0.1.0',
      policyDigest: 'abc',
      doors: { save: true, upload: false },
      problems: [],
      notices: ['QGUARD_ADMIN_POLICY is ignored.']
    });
  });

  it('is read from a server that tells no notices', () => {
    const health = parseHealth({ status: 'guarding' });
    expect(health.notices).toEqual([]);
  });

  it.each([null, 'guarding', [], {}, { status: 'fine' }, { status: 1 }])(
    'never counts %p as guarding',
    reply => {
      expect(parseHealth(reply).status).toBe('degraded');
    }
  );

  it('takes a door for open unless the reply says true', () => {
    const { doors } = parseHealth({ doors: { save: 'yes', copy: 1 } });
    expect(doors).toEqual({ save: false, copy: false });
  });

  it('is off where the server has no guard, degraded where it does not answer', () => {
    expect(unreachable(trans, 404).status).toBe('off');
    expect(unreachable(trans, 500).status).toBe('degraded');
    expect(unreachable(trans, null).status).toBe('degraded');
  });

  it('says why it is degraded', () => {
    const health = parseHealth({
      status: 'degraded',
      problems: ['qguard.toml, line 3: unknown rule']
    });
    expect(statusLabel(trans, health)).toBe('Guard degraded');
    expect(statusMeaning(trans, health)).toContain('line 3: unknown rule');
  });

  it('has different words for each status', () => {
    const all = ['guarding', 'observing', 'degraded', 'off'] as const;
    const healths = all.map(status => parseHealth({ status }));
    const labels = healths.map(health => statusLabel(trans, health));
    expect(new Set(labels).size).toBe(4);
    const meanings = healths.map(health => statusMeaning(trans, health));
    expect(new Set(meanings).size).toBe(4);
  });

  it('says that it observes because it is paused', () => {
    const health = parseHealth({ status: 'observing', notices: [PAUSED] });
    expect(pauseOf(health)).toBe(PAUSED);
    expect(statusLabel(trans, health)).toBe('Observing (paused)');
    expect(statusMeaning(trans, health)).toMatch(/^The guard is paused/);
    const policy = parseHealth({ status: 'observing', notices: ['Ran out.'] });
    expect(pauseOf(policy)).toBeNull();
    expect(statusLabel(trans, policy)).toBe('Observing');
    expect(statusMeaning(trans, policy)).not.toContain('paused');
  });

  it('is not degraded by a notice', () => {
    const health = parseHealth({ status: 'guarding', notices: ['Ran out.'] });
    expect(health.problems).toEqual([]);
    expect(statusLabel(trans, health)).toBe('Guarding');
    expect(statusMeaning(trans, health)).not.toContain('does not work');
  });
});

describe('doors', () => {
  const texts = (reply: object) =>
    doorLines(trans, parseHealth(reply)).map(line => line.text);

  it('are listed in words, in a fixed order, a new one by its own name', () => {
    const doors = {
      teleport: true,
      export: true,
      copy: true,
      download: false,
      save: true
    };
    expect(texts({ status: 'degraded', doors })).toEqual([
      'Save: guarded',
      'Copy: guarded',
      'Download: not guarded',
      'Export: guarded',
      'teleport: guarded'
    ]);
  });

  it('have a name each', () => {
    const doors = Object.fromEntries(ALL_DOORS.map(door => [door, true]));
    const lines = texts({ status: 'guarding', doors });
    expect(new Set(lines).size).toBe(8);
    for (const door of ALL_DOORS) {
      expect(lines).not.toContain(`${door}: guarded`);
    }
  });

  it('are not called guarded while nothing is changed', () => {
    const doors = { save: true };
    expect(texts({ status: 'observing', doors })).toEqual([
      'Save: reported only'
    ]);
    expect(texts({ status: 'off', doors })).toEqual(['Save: not guarded']);
  });
});

describe('outcome of a save', () => {
  it('is null for a plain model', () => {
    expect(parseOutcome({ path: 'a.ipynb' })).toBeNull();
    expect(parseOutcome(undefined)).toBeNull();
    expect(parseOutcome({ qguard: 'redact' })).toBeNull();
  });

  it('is read from the model', () => {
    const outcome = parseOutcome({
      qguard: {
        action: 'redact',
        findings: [row(), { no: 'rule' }, 'x'],
        kept: true,
        message: 'Saved.'
      }
    });
    expect(outcome).toEqual({
      action: 'redact',
      findings: [finding()],
      kept: true,
      message: 'Saved.'
    });
  });

  it('leaves out what only warns', () => {
    const all = [finding(), finding({ action: 'warn' })];
    expect(taken(all)).toEqual([finding()]);
  });
});

describe('decisions', () => {
  it('come newest first, from a list or an object', () => {
    const rows = [
      { time: 1, action: 'redact', door: 'save', findings: [row()] },
      { time: '2026-01-02T00:00:00Z', action: 'block', door: 'save' },
      { time: 'never', action: 'warn' }
    ];
    for (const reply of [rows, { decisions: rows }]) {
      const decisions = parseDecisions(reply);
      expect(decisions.map(one => one.action)).toEqual([
        'block',
        'redact',
        'warn'
      ]);
      expect(decisions[1].findings[0].rule).toBe('dwave-token');
      expect(decisions[2].time).toBeNull();
    }
    expect(parseDecisions('nothing')).toEqual([]);
  });
});

describe('words', () => {
  it('count cells from 1', () => {
    expect(place(trans, finding())).toBe('cell 3, line 4');
    expect(
      place(trans, finding({ field: 'outputs[0].text', line: null }))
    ).toBe('cell 3, outputs[0].text');
    expect(
      place(trans, finding({ cellIndex: null, field: 'metadata.tok' }))
    ).toBe('metadata.tok, line 4');
  });

  it('name cell and rule in the notice', () => {
    expect(redactedNotice(trans, 'work/vqe.ipynb', [finding()])).toBe(
      'Saved. 1 secret kept out of vqe.ipynb: cell 3 dwave-token'
    );
  });

  it('fit a notification however many there are', () => {
    const many = Array.from({ length: 40 }, (_, n) =>
      finding({ cellIndex: n, rule: 'azure-quantum-connection-string' })
    );
    const text = redactedNotice(trans, 'vqe.ipynb', many);
    expect(text.length).toBeLessThanOrEqual(140);
    expect(text).toContain('40 secrets');
    expect(text).toContain('cell 1 azure-quantum-connection-string');
    expect(text).toMatch(/ and \d+ more$/);
  });

  it('cut a refusal at a sentence', () => {
    const first = 'Not saved: 1 secret found (cell 1, line 1: dwave-token).';
    const long = `${first} ${'Take it out. '.repeat(3)}${'x'.repeat(90)}.`;
    expect(refusedNotice(first)).toBe(first);
    expect(refusedNotice(long)).toBe(
      `${first} ${'Take it out. '.repeat(3)}`.trim()
    );
    expect(refusedNotice('x'.repeat(200))).toHaveLength(140);
  });

  it('say what happened', () => {
    expect(happened(trans, finding())).toContain(
      '[REDACTED:dwave-token:9c41e07b]'
    );
    expect(happened(trans, finding({ action: 'block' }))).toContain(
      'Nothing was written'
    );
    expect(happened(trans, finding({ action: 'hold' }))).toContain('approves');
    expect(happened(trans, finding({ action: 'warn' }))).toContain(
      'reported only'
    );
  });

  it('say how to get the value back', () => {
    expect(recovery(trans, finding(), true)?.command).toBe(
      'qguard kept reveal 9c41e07b'
    );
    expect(recovery(trans, finding({ id8: '00000000' }), true)?.command).toBe(
      'qguard kept list'
    );
    const lost = recovery(trans, finding(), false);
    expect(lost?.command).toBeNull();
    expect(lost?.text).toContain('not kept');
    const output = recovery(trans, finding({ field: 'outputs[0].text' }), true);
    expect(output?.text).toContain('run the cell again');
    expect(recovery(trans, finding({ action: 'block' }), true)).toBeNull();
  });
});

describe('refusals', () => {
  it.each([
    [422, 'Not saved: 1 secret found.', true],
    [503, 'jupyter-qguard could not check this content', true],
    [503, 'Invalid response: 503 Service Unavailable', false],
    [500, 'Not saved', false],
    [409, 'conflict', false]
  ])('%d %p: %p', (status, message, ours) => {
    expect(isRefusal(status, message)).toBe(ours);
  });
});

describe('NoticeMemory', () => {
  it('says a redaction once, and again when something new is found', () => {
    const memory = new NoticeMemory();
    expect(memory.redacted('a', [finding()])).toBe(true);
    expect(memory.redacted('a', [finding()])).toBe(false);
    expect(memory.redacted('a', [finding({ line: 9 })])).toBe(false);
    expect(memory.redacted('b', [finding()])).toBe(true);
    const more = [finding(), finding({ id8: '11111111' })];
    expect(memory.redacted('a', more)).toBe(true);
    expect(memory.redacted('a', [finding()])).toBe(false);
  });

  it('says a refusal once, and again when it changes', () => {
    const memory = new NoticeMemory();
    expect(memory.refused('a', 'no')).toBe(true);
    expect(memory.refused('a', 'no')).toBe(false);
    expect(memory.refused('a', 'no, again')).toBe(true);
  });

  it('starts anew after a clean save', () => {
    const memory = new NoticeMemory();
    memory.redacted('a', [finding()]);
    memory.clean('a');
    expect(memory.redacted('a', [finding()])).toBe(true);
  });

  it('tells a refusal from a redaction', () => {
    const memory = new NoticeMemory();
    memory.refused('a', 'no');
    expect(memory.redacted('a', [finding()])).toBe(true);
    expect(memory.refused('a', 'no')).toBe(true);
  });
});

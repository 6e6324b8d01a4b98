// A vitest reporter that tells, file by file, what `npm test` counts and names. A skipped or todo test is a test that does not pass.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export default class Count {
  onTestRunEnd(modules, unhandledErrors) {
    const files = modules.map(resultOf);
    const errors = unhandledErrors.map(({ message }) => firstLine(message));
    writeFileSync(join(process.env.SESSIONKIT_REPORT_DIR, 'vitest.json'), JSON.stringify({ files, errors }));
  }
}

function resultOf(module) {
  const file = `${module.project.name}: ${module.relativeModuleId}`;
  const result = { path: module.moduleId, passed: 0, failed: [], skipped: [], broken: [] };
  const broken = (name, [error]) => result.broken.push({ name, error: firstLine(error.message) });
  if (module.errors().length > 0) broken(file, module.errors());
  for (const suite of module.children.allSuites())
    if (suite.errors().length > 0) broken(`${file} > ${suite.fullName}`, suite.errors());
  for (const test of module.children.allTests()) {
    const { state, errors } = test.result();
    const name = `${file} > ${test.fullName}`;
    if (state === 'passed') result.passed++;
    else if (state === 'failed') result.failed.push({ name, error: firstLine(errors?.[0]?.message) });
    else result.skipped.push({ name });
  }
  return result;
}

const firstLine = (message) => String(message).split('\n', 1)[0];

// A vitest reporter that counts for the last line of `npm test`, and names what failed. A skipped or todo test is a test that does not pass.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export default class Count {
  onTestRunEnd(modules, unhandledErrors) {
    const total = { passed: 0, failed: [], skipped: [], broken: [], errors: [] };
    for (const { message } of unhandledErrors) total.errors.push(firstLine(message));
    for (const module of modules) {
      const file = `${module.project.name}: ${module.relativeModuleId}`;
      if (module.errors().length > 0) total.broken.push(file);
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) total.broken.push(`${file} > ${suite.fullName}`);
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        const name = `${file} > ${test.fullName}`;
        if (state === 'passed') total.passed++;
        else if (state === 'failed')
          total.failed.push({ path: module.moduleId, name, error: firstLine(errors?.[0]?.message) });
        else total.skipped.push(name);
      }
    }
    writeFileSync(join(process.env.SESSIONKIT_REPORT_DIR, 'vitest.json'), JSON.stringify(total));
  }
}

const firstLine = (message) => String(message).split('\n', 1)[0];

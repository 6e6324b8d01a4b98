// A vitest reporter that counts for the last line of `npm test`. A skipped or todo test is a test that does not pass.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export default class Count {
  onTestRunEnd(modules, unhandledErrors) {
    const total = { passed: 0, failed: 0, skipped: [], broken: [], errors: unhandledErrors.length };
    for (const module of modules) {
      const file = module.relativeModuleId;
      if (module.errors().length > 0) total.broken.push(file);
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) total.broken.push(`${file} > ${suite.fullName}`);
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') total.passed++;
        else if (state === 'failed') total.failed++;
        else total.skipped.push(`${file} > ${test.fullName}`);
      }
    }
    writeFileSync(join(process.env.SESSIONKIT_REPORT_DIR, 'vitest.json'), JSON.stringify(total));
  }
}

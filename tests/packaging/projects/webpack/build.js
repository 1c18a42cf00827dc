// Under `require-trusted-types-for` webpack's own loading of chunks needs its option `trustedTypes`.
import webpack from 'webpack';

const stats = await new Promise((resolve, reject) => webpack({ mode: 'production', entry: './main.js', output: { trustedTypes: true }, performance: false }, (error, done) => (error === null ? resolve(done) : reject(error))));
if (stats.hasErrors() || stats.hasWarnings()) {
  console.error(stats.toString('errors-warnings'));
  process.exitCode = 1;
}

import { dirname } from 'node:path';

// The tools stand one directory above.
export default { turbopack: { root: dirname(import.meta.dirname) } };

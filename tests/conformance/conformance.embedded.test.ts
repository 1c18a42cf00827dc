// The public suite on the embedded engine.
import { conforms } from './harness/suite.ts'

conforms('embedded')

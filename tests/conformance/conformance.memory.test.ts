// The public suite on the memory engine.
import { conforms } from './harness/suite.ts'

conforms('memory')
